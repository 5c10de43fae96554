"""What is said on the wire: one file per conversation, all types closed and bounded.

`session.py` greeting, beats and sync; `jobs.py` deliveries and returns; `sources.py` files and
pillar; `enrolment.py` the other port. A message is one frame: a MessagePack array, its first
element the tag. Arrays, not maps, so that a key cannot stand twice. Times are whole microseconds.
No message names its sender: the sender is the CURVE key that the transport attests.
"""
