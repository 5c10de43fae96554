"""What an upgrade does on this host: packages, units, programs, files, each with a deadline."""
