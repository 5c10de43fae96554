"""A shop's own modules from `_modules`, `_states`, `_grains` and `_utils` of its file roots.

They are brought to the minion (`syncing`), loaded when they are first asked for (`modules`), and
called like limpet's own; those in Salt's style through one adapter (`salt_style`).
"""
