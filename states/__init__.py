"""Salt's language and libraries: execution functions, grains, and the host that they act on."""
