"""The commands of `limpet` that talk to a master, each imported when it is used."""
