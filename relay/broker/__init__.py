"""The broker: creates, finds and ends sessions.

It applies the rules of `relay.sessions` to the store, one transaction an event, and says who must be closed
and who must be told. `Broker` is what connections and the API talk to; `books` holds what it keeps in memory
and through what gate every change goes; `ledger` is one transaction; `records` are the answers.
"""

from relay.broker.broker import Broker
from relay.broker.records import (
    BrokerSettings,
    BrokerStatistics,
    HostAbout,
    HostAdmission,
    IssuedTicket,
    Tries,
    ViewerAdmission,
)

__all__ = [
    "Broker",
    "BrokerSettings",
    "BrokerStatistics",
    "HostAbout",
    "HostAdmission",
    "IssuedTicket",
    "Tries",
    "ViewerAdmission",
]
