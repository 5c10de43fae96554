"""The running minion's Unix socket: `limpet call`, and jobs that ask about jobs."""
