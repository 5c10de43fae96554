"""What functions, states and grains may ask of the machine; `limpet.states.host` answers."""
