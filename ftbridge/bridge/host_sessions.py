"""What a host elsewhere knows of the sessions that are open here: told once, kept alive.

The host knows a session only once it was told, forgets one that is idle for too long, and takes a
session's tools once. So both are sent when a session's first call comes in, not with every call.
Failures are tried again later, with the session's next call, and never taken for success.

Waiting for the host happens on other threads (`ftbridge.adapters.offload`) wherever a call could
do without it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from ftbridge.adapters.offload import OFFLOAD
from ftbridge.adapters.single_flight import SingleFlight
from ftbridge.rpc import RpcError, StatusCode
from ftbridge.wire import messages

if TYPE_CHECKING:
    from .host_channel import HostChannel

_log = logging.getLogger("ftbridge.bridge")

RENEW_SECONDS: Final = 60.0
"""A session in use is shown to the host this often; it expires there after an hour unseen."""

_FIRST_RETRY_SECONDS: Final = 1.0
_LAST_RETRY_SECONDS: Final = 30.0

# What the host says, as seen on it: atoms and tuples of Elixir, printed.
_UNKNOWN_SESSION: Final = ("not_found", ":not_found", "session_not_found", ":session_not_found")
_UNKNOWN_SESSION_START: Final = "Session not found"
_DUPLICATE: Final = "duplicate_tool"


def says_unknown(message: str) -> bool:
    """Whether a host's refusal is, by its words, for want of the session."""
    return message in _UNKNOWN_SESSION or message.startswith(_UNKNOWN_SESSION_START)


class Peer:
    """One session at the host. `lock` guards the fields below it."""

    __slots__ = (
        "attempts",
        "known",
        "lock",
        "request",
        "retry_at",
        "seen_at",
        "session_id",
        "settled",
        "settling",
    )

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.request = messages.InitializeSessionRequest(session_id=session_id)
        self.known: SingleFlight[None] = SingleFlight()  # the host has the session
        self.settled = False  # and its tools, as far as it will ever have them
        self.seen_at = 0.0  # by the host, on the clock of `time.monotonic`
        self.lock = threading.Lock()
        self.settling = False
        self.attempts = 0
        self.retry_at = 0.0

    def forgotten(self) -> None:
        """The host does not know the session any more: it is told when next needed."""
        self.known.forget()
        self.settled = False
        self.retry_at = 0.0


class HostSessions:
    """Tells the host of sessions and their tools. Safe to use from any thread.

    Args:
        worker_id: see `RemoteHostLink`.
        timeout: seconds for each call to the host.
        attach_wait: seconds that a session's first call waits for the host; see `settle`.
        clock: monotonic seconds; measures what is due.
    """

    def __init__(
        self,
        channel: HostChannel,
        *,
        worker_id: str | Callable[[], str],
        timeout: float,
        attach_wait: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tools: list[messages.ToolRegistration] = []
        self._channel = channel
        self._worker_id = worker_id
        self._timeout = timeout
        self._attach_wait = attach_wait
        self._clock = clock

    def seen(self, peer: Peer) -> None:
        """The host has just answered for the session, which renewed it there."""
        peer.seen_at = self._clock()

    def attach(self, peer: Peer) -> None:
        """A call of the session has come in."""
        if peer.settled:
            self.renew(peer)
        else:
            self.settle(peer)

    def introduce(self, peer: Peer, timeout: float) -> None:
        """Have the host know the session: told once, however many threads need it.

        Raises `RpcError`, also DEADLINE_EXCEEDED for another thread's attempt.
        """
        try:
            peer.known.get(partial(self._initialize, peer, timeout), timeout=timeout)
        except TimeoutError:
            raise RpcError(
                StatusCode.DEADLINE_EXCEEDED, f"InitializeSession not answered in {timeout:g} s"
            ) from None

    def _initialize(self, peer: Peer, timeout: float) -> None:
        answer = self._channel.ask(
            "InitializeSession",
            peer.request,
            messages.InitializeSessionResponse,
            timeout,
            again=True,
        )
        if not answer.success:
            raise RpcError(
                StatusCode.INTERNAL, answer.error_message or "the host refused the session"
            )
        self.seen(peer)

    def settle(self, peer: Peer, *, wait: bool = True) -> None:
        """Have the session and its tools known to the host soon.

        The first time, unless `wait` is false, wait a little, so that whoever sees the answer to
        a session's first call can rely on its tools; a slower host is not waited for again.
        """
        with peer.lock:
            if peer.settling or self._clock() < peer.retry_at:
                return
            peer.settling = True
            wait = wait and peer.attempts == 0
            peer.attempts += 1
        done = threading.Event()
        OFFLOAD.submit(partial(self._try_to_settle, peer, done))
        if wait:
            done.wait(self._attach_wait)

    def _try_to_settle(self, peer: Peer, done: threading.Event) -> None:
        wait = 0.0
        try:
            self.introduce(peer, self._timeout)
            self._register(peer)
            peer.attempts = 1
            peer.settled = True
        except Exception as error:  # noqa: BLE001 - reported; whatever it is, the next try may do
            wait = min(_LAST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2.0 ** min(peer.attempts - 1, 8))
            # Once loudly: a host that is away for an hour is not worth a line a second.
            _log.log(
                logging.WARNING if peer.attempts == 1 else logging.DEBUG,
                "session %r: the host at %s was not told of it and its tools; next try in %g s or "
                "later: %s",
                peer.session_id,
                self._channel.address,
                wait,
                error,
            )
        finally:
            with peer.lock:
                peer.settling = False
                peer.retry_at = self._clock() + wait
            done.set()

    def _register(self, peer: Peer) -> None:
        worker_id = self._worker_id if isinstance(self._worker_id, str) else self._worker_id()
        if not worker_id or not self.tools:
            return
        said = self._send_registrations(peer, worker_id, self.tools)
        if says_unknown(said):
            peer.known.forget()
            self.introduce(peer, self._timeout)
            said = self._send_registrations(peer, worker_id, self.tools)
        if _DUPLICATE in said and len(self.tools) > 1:
            # The host takes a batch as a whole: one name that is taken keeps all others out.
            refusals = [self._send_registrations(peer, worker_id, [tool]) for tool in self.tools]
            said = "; ".join(dict.fromkeys(r for r in refusals if r and _DUPLICATE not in r))
        if said and _DUPLICATE not in said:
            raise RpcError(StatusCode.FAILED_PRECONDITION, f"RegisterTools was refused: {said}")

    def _send_registrations(
        self, peer: Peer, worker_id: str, tools: list[messages.ToolRegistration]
    ) -> str:
        """What the host has against them; an empty string when it took them."""
        request = messages.RegisterToolsRequest(
            session_id=peer.session_id, tools=tools, worker_id=worker_id
        )
        answer = self._channel.ask(
            "RegisterTools",
            request,
            messages.RegisterToolsResponse,
            self._timeout,
            again=True,
        )
        return "" if answer.success else answer.error_message or "no reason given"

    def renew(self, peer: Peer) -> None:
        """Show the host soon that the session is in use, if that is due. Never waits."""
        if not peer.settled:
            self.settle(peer, wait=False)
            return
        if self._clock() - peer.seen_at < RENEW_SECONDS:
            return
        with peer.lock:
            if self._clock() - peer.seen_at < RENEW_SECONDS:
                return
            # Stamped before it is done: one attempt each `RENEW_SECONDS`, whatever comes of it.
            self.seen(peer)
        OFFLOAD.submit(partial(self._renew, peer))

    def _renew(self, peer: Peer) -> None:
        try:
            if not self.alive(peer, self._timeout):
                self.settle(peer, wait=False)
        except RpcError as error:
            _log.debug("session %r was not renewed at the host: %s", peer.session_id, error)

    def alive(self, peer: Peer, timeout: float) -> bool:
        """Ask the host whether it has the session, which renews it. Raises `RpcError`."""
        request = messages.HeartbeatRequest(session_id=peer.session_id)
        answer = self._channel.ask(
            "Heartbeat",
            request,
            messages.HeartbeatResponse,
            min(timeout, self._timeout),
            again=True,
        )
        if answer.session_valid:
            self.seen(peer)
        else:
            peer.forgotten()
        return answer.session_valid
