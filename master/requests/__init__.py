"""What clients of the Unix socket ask of the core, and who answers it.

`kinds/` holds a small file for each kind of request, found by `dispatch.py`; its `HANDLERS` say
which requests of `common/control/requests.py` it answers. Nothing is told before the commit that
makes it true. What is asked of a package is files only, and never comes here.
"""
