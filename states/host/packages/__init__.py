"""Package managers behind `limpet.states.packages.Packages`: apt and dpkg, dnf (or yum) and rpm."""
