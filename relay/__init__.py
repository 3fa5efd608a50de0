"""The relay: pairs a temporary host with technicians for one session of at most 24 hours.

Importing this package pulls in nothing else; `relay.protocol` ships with host and technician too.
"""

__version__ = "0.1.0"
