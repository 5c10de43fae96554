"""The managers of services that this machine may have."""
