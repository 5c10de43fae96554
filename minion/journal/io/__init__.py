"""The journal's file, and the thread that makes records durable."""
