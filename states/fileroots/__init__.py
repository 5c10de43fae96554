"""File roots: environments, several roots laid over one another, `salt://` addresses, names of SLS.

Who asks for a file names it inside the roots; what stands outside cannot be reached.
"""
