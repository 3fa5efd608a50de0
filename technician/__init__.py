"""The technician's library and command line."""
