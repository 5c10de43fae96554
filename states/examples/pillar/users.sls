# Everybody's public keys may be seen by everybody.
users:
  ada:
    fullname: Ada Lovelace
    sudo: True
    keys:
      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAdaAdaAdaAdaAdaAdaAdaAdaAdaAdaAdaAdaAdaAdaA ada@desk
      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBdaAdaAdaAdaAdaAdaAdaAdaAdaAdaAdaAdaAdaAdaA ada@road
  grace:
    fullname: Grace Hopper
    keys:
      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGraceGraceGraceGraceGraceGraceGraceGraceGr grace@desk
  charles:
    absent: True
