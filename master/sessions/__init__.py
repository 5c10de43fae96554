"""Who is connected: greetings, admission, beats, sync, loss, and how that is shown."""
