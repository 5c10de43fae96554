"""What is behind `limpet.states.ports.packages.Packages`: apt, dpkg, dnf, yum and rpm."""
