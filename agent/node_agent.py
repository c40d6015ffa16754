#!/usr/bin/env python3
"""The node agent of CrossLogic Gateway: speaks for one inference engine on one machine.

Needs Python 3.8 and nothing else. The launch puts it on the machine and starts it beside the engine:

    vllm serve ... & ENGINE_PID=$! CONTROL_URL=... NODE_ID=... NODE_TOKEN=... python3 node_agent.py

It registers its node once the engine answers, sends heartbeats, watches the cloud's notice that the machine will be
taken away, has the node drained then, and stops the engine. It ends when its node is terminated, and of nothing else.
Settings are environment variables, listed in docs/nodes.md. Exit codes: 0 its node is over or it was told to stop,
2 a setting is wrong. It writes a line of JSON for each change, never a secret.
"""

from __future__ import annotations

import datetime
import email.utils
import ipaddress
import json
import math
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from typing import Any, Dict, List, NamedTuple, Optional, Set

VERSION = "1"

CONTROL_TIMEOUT = 10.0
ENGINE_TIMEOUT = 3.0
METADATA_TIMEOUT = 2.0
# Azure's first answer about scheduled events may take two minutes, since asking turns the service on.
AZURE_TIMEOUT = 130.0
GCP_WAIT = 50
MOST_BYTES = 8 * 1024 * 1024
# Every proxy has heard of a drain by then: a change is live within a second.
DRAIN_HEARD = 3.0
LONGEST_PAUSE = 60.0
# Notices further away than this come from a clock that is wrong.
FURTHEST_NOTICE = 3600.0


# Settings ------------------------------------------------------------------------------------------------------------


class Settings(NamedTuple):
    control_url: str
    node_id: str
    token: str
    engine_url: str
    engine_key: str
    engine_pid: Optional[int]
    provider: str
    address: str
    metadata_url: str
    ca_file: Optional[str]
    heartbeat: float
    notice_poll: float


def read_settings(env: Any) -> Settings:
    """Raises ValueError, which names the variable and never shows a secret."""

    def url_of(name: str, default: Optional[str] = None) -> str:
        text = env.get(name) or default or ""
        url = urllib.parse.urlsplit(text)
        if url.scheme not in ("http", "https") or not url.hostname or re.search(r"[\s@?#]", text):
            raise ValueError(f"{name}: expected http(s)://host:port without credentials")
        try:
            _ = url.port
        except ValueError:
            raise ValueError(f"{name}: expected a port from 0 to 65535") from None
        return text.rstrip("/")

    def secret_of(name: str) -> str:
        text = env.get(name) or ""
        if not re.fullmatch(r"[\x21-\x7e]{0,1000}", text):
            raise ValueError(f"{name}: expected visible ASCII characters")
        return text

    def seconds_of(name: str, default: float) -> float:
        try:
            seconds = float(env.get(name) or default)
        except ValueError:
            seconds = math.nan
        if not 0.05 <= seconds <= 60:
            raise ValueError(f"{name}: expected 0.05 to 60 seconds")
        return seconds

    token = secret_of("NODE_TOKEN")
    if token == "":
        raise ValueError("NODE_TOKEN: is missing")
    try:
        node_id = str(uuid.UUID(env.get("NODE_ID") or ""))
    except ValueError:
        raise ValueError("NODE_ID: expected a UUID") from None
    pid = env.get("ENGINE_PID") or ""
    if pid and not re.fullmatch(r"[1-9][0-9]{0,9}", pid):
        raise ValueError("ENGINE_PID: expected a process id")
    address = env.get("NODE_ADDRESS") or "private"
    if not re.fullmatch(r"[\x21-\x7e]{1,2000}", address):
        raise ValueError("NODE_ADDRESS: expected an address, a URL, private or public")
    return Settings(
        control_url=url_of("CONTROL_URL"),
        node_id=node_id,
        token=token,
        engine_url=url_of("ENGINE_URL", "http://127.0.0.1:8000"),
        engine_key=secret_of("ENGINE_API_KEY"),
        engine_pid=int(pid) if pid else None,
        provider=(env.get("PROVIDER") or "auto").lower(),
        address=address,
        metadata_url=url_of("METADATA_URL", "http://169.254.169.254"),
        ca_file=env.get("CONTROL_CA_FILE") or None,
        heartbeat=seconds_of("HEARTBEAT_SECONDS", 10),
        notice_poll=seconds_of("NOTICE_POLL_SECONDS", 5),
    )


# Log -----------------------------------------------------------------------------------------------------------------


class Log:
    """Writes what changes, a line each, to standard output."""

    def __init__(self, secrets: List[str]) -> None:
        # As they stand in JSON.
        self._secrets = [json.dumps(secret)[1:-1] for secret in secrets if secret]
        self._last: Dict[str, str] = {}
        self._lock = threading.Lock()

    def line(self, event: str, **fields: Any) -> None:
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        text = json.dumps({"time": now, "event": event, **fields})
        for secret in self._secrets:
            text = text.replace(secret, "[redacted]")
        try:
            with self._lock:
                print(text, flush=True)
        except (OSError, ValueError):
            pass  # Nobody reads it: no reason to end.

    def change(self, event: str, **fields: Any) -> None:
        """A line only if it differs from the last one of this event, and of this verb where it has one."""
        what = json.dumps(fields)
        of = f"{event} {fields.get('verb')}"
        with self._lock:
            if self._last.get(of) == what:
                return
            self._last[of] = what
        self.line(event, **fields)


# HTTP ----------------------------------------------------------------------------------------------------------------


class Reply(NamedTuple):
    status: int
    headers: Any
    body: bytes

    def json(self) -> Dict[str, Any]:
        """The object in the body; an empty one where there is none."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token, or a metadata header, to somebody else."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


def direct_opener() -> urllib.request.OpenerDirector:
    """For the engine and the metadata service: both are on this machine, whatever proxy the environment names."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirects())


def control_opener(ca_file: Optional[str]) -> urllib.request.OpenerDirector:
    tls = ssl.create_default_context(cafile=ca_file)
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=tls), NoRedirects())


def ask(
    opener: Any, method: str, url: str, headers: Dict[str, str], timeout: float, body: Optional[bytes] = None
) -> Reply:
    """One exchange, of whatever status. Raises OSError and the like when there was no whole reply in time."""
    deadline = time.monotonic() + timeout
    sent = {"User-Agent": f"crosslogic-node-agent/{VERSION}", **headers}
    request = urllib.request.Request(url, data=body, headers=sent, method=method)
    try:
        response = opener.open(request, timeout=timeout)
    except urllib.error.HTTPError as refused:
        response = refused
    with response:
        content = bytearray()
        while True:
            part = response.read1(65536)
            if not part:
                return Reply(response.code, response.headers, bytes(content))
            content += part
            if len(content) > MOST_BYTES or time.monotonic() > deadline:
                raise TimeoutError("the reply is too long or too slow")


def reason_of(error: BaseException) -> str:
    """What failed, in words that say the same as long as it is the same failure."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    return f"{type(cause).__name__}: {cause}"[:200]


# The engine ----------------------------------------------------------------------------------------------------------

RUNNING = ("vllm:num_requests_running", "sglang:num_running_reqs", "llamacpp:requests_processing")
WAITING = ("vllm:num_requests_waiting", "sglang:num_queue_reqs", "llamacpp:requests_deferred")
KV_CACHE = (
    "vllm:kv_cache_usage_perc",
    "vllm:gpu_cache_usage_perc",
    "sglang:token_usage",
    "llamacpp:kv_cache_usage_ratio",
)
WANTED = frozenset(RUNNING + WAITING + KV_CACHE)
SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{.*\})?\s+(\S+)")
# What a heartbeat may say at most.
MOST_REQUESTS = 1_000_000


def engine_gauges(text: str) -> Dict[str, Any]:
    """An engine's load out of its Prometheus text: requests of several series are added up, the fullest cache counts."""
    series: Dict[str, List[float]] = {}
    for line in text.split("\n"):
        match = SAMPLE.match(line)
        if match is None or match.group(1) not in WANTED:
            continue
        try:
            value = float(match.group(2))
        except ValueError:
            continue
        if math.isfinite(value) and value >= 0:
            series.setdefault(match.group(1), []).append(value)

    def first(names: Any) -> Optional[List[float]]:
        return next((series[name] for name in names if name in series), None)

    def total(values: Optional[List[float]]) -> Optional[int]:
        return None if values is None else round(min(MOST_REQUESTS, sum(values)))

    usage = first(KV_CACHE)
    return {
        "running": total(first(RUNNING)),
        "waiting": total(first(WAITING)),
        "kv_cache_usage": None if usage is None else min(1.0, max(usage)),
    }


class Engine:
    """The inference server on this machine."""

    def __init__(self, settings: Settings, log: Log) -> None:
        self._url = settings.engine_url
        self._headers = {"Authorization": f"Bearer {settings.engine_key}"} if settings.engine_key else {}
        self._opener = direct_opener()
        self._log = log
        self._pid = settings.engine_pid
        # A process id is used again: only the process that had it at the start is ever signalled.
        self._born = self._birth()
        self._stopped = threading.Lock()
        self._has_smi = True
        if self._pid is None:
            log.line("engine-pid-unknown", effect="the engine will not be stopped before the machine is taken away")

    def _get(self, path: str) -> Reply:
        return ask(self._opener, "GET", self._url + path, self._headers, ENGINE_TIMEOUT)

    def healthy(self) -> bool:
        try:
            status = self._get("/health").status
            self._log.change("engine", health="answers" if status == 200 else f"status {status}")
            return status == 200
        except Exception as error:
            self._log.change("engine", health=reason_of(error))
            return False

    def gauges(self) -> Dict[str, Any]:
        """What it says of its load; nulls where it says nothing."""
        try:
            reply = self._get("/metrics")
            return engine_gauges(reply.body.decode("utf-8", "replace") if reply.status == 200 else "")
        except Exception:
            return engine_gauges("")

    def version(self) -> Optional[str]:
        """vLLM, SGLang and llama.cpp say it in different places."""
        for path, field in (("/version", "version"), ("/server_info", "version"), ("/props", "build_info")):
            try:
                reply = self._get(path)
            except Exception:
                continue
            value = reply.json().get(field) if reply.status == 200 else None
            if isinstance(value, str) and re.fullmatch(r"[\x21-\x7e][\x20-\x7e]{0,99}", value):
                return value.strip()
        return None

    def gpu(self) -> Dict[str, Any]:
        """Mean utilisation, 0 to 1, and memory in GB over all GPUs; nothing where there is no nvidia-smi."""
        if not self._has_smi:
            return {}
        query = ["nvidia-smi", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits"]
        env = {name: value for name, value in os.environ.items() if name in ("PATH", "LD_LIBRARY_PATH")}
        nowhere, pipe = subprocess.DEVNULL, subprocess.PIPE
        try:
            said = subprocess.run(query, stdin=nowhere, stdout=pipe, stderr=nowhere, timeout=5, check=True, env=env)
            rows = [[float(cell) for cell in row.split(b",")] for row in said.stdout.strip().splitlines()]
            used = sum(row[1] for row in rows) * 1024 * 1024 / 1e9
            utilization = sum(row[0] for row in rows) / len(rows) / 100
            if not math.isfinite(used + utilization):
                return {}
            return {
                "gpu_utilization": min(1.0, max(0.0, utilization)),
                "gpu_memory_used_gb": round(min(1e6, max(0.0, used)), 3),
            }
        except (FileNotFoundError, PermissionError):
            self._has_smi = False
        except Exception:
            pass  # Some GPUs say [N/A], and a driver that hangs must not take the heartbeat with it.
        return {}

    def _birth(self) -> Optional[str]:
        """When its process began; None when it has ended."""
        if self._pid is None:
            return None
        try:
            with open(f"/proc/{self._pid}/stat", encoding="utf-8", errors="replace") as stat:
                fields = stat.read().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in ("Z", "X") else fields[19]

    def ended(self) -> bool:
        """Whether its process is known to have ended."""
        gone = self._pid is not None and (self._born is None or self._birth() != self._born)
        if gone:
            self._log.change("engine-process", state="ended")
        return gone

    def stop(self, why: str) -> None:
        """SIGTERM, once."""
        if self._pid is None or not self._stopped.acquire(blocking=False) or self.ended():
            return
        self._log.line("engine-stopping", why=why)
        try:
            os.kill(self._pid, signal.SIGTERM)
        except OSError as error:
            self._log.line("engine-not-stopped", reason=reason_of(error))


# Clouds --------------------------------------------------------------------------------------------------------------


class Notice(NamedTuple):
    """That the machine will be taken away."""

    name: str
    reason: str
    seconds: float


class Metadata:
    """A cloud's metadata service, at an address that only this machine can ask."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._opener = direct_opener()

    def ask(self, path: str, headers: Dict[str, str], timeout: float = METADATA_TIMEOUT, method: str = "GET") -> Reply:
        body = b"" if method == "PUT" else None
        return ask(self._opener, method, self._base + path, headers, timeout, body)


def expect(reply: Reply, *statuses: int) -> Reply:
    if reply.status not in statuses:
        raise OSError(f"the metadata service answers {reply.status}")
    return reply


def http_date(text: str) -> datetime.datetime:
    """Raises ValueError."""
    try:
        return email.utils.parsedate_to_datetime(text)
    except (TypeError, IndexError):
        raise ValueError("no date") from None


def remaining(until: Optional[datetime.datetime], reply: Reply, default: float) -> float:
    """Seconds from now, by the service's own clock where it tells it: this machine's may be wrong, or jump."""
    if until is None:
        return default
    if until.tzinfo is None:
        until = until.replace(tzinfo=datetime.timezone.utc)
    try:
        now = http_date(reply.headers.get("Date") or "").timestamp()
    except ValueError:
        now = time.time()
    seconds = until.timestamp() - now
    return max(0.0, seconds) if -60 <= seconds <= FURTHEST_NOTICE else default


def public_address(reply: Reply) -> Optional[str]:
    text = reply.body.decode("ascii", "replace").strip()
    return text if reply.status == 200 and text else None


class Aws:
    name = "aws"
    default_notice = 120.0
    longest_pause = math.inf

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata
        self._token: Optional[str] = None
        self._renew_at = 0.0

    def _get(self, path: str) -> Reply:
        if self._token is None or time.monotonic() > self._renew_at:
            ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}
            reply = expect(self._metadata.ask("/latest/api/token", ttl, method="PUT"), 200)
            self._token = reply.body.decode("ascii").strip()
            self._renew_at = time.monotonic() + 18_000
        reply = self._metadata.ask(path, {"X-aws-ec2-metadata-token": self._token})
        if reply.status == 401:
            self._token = None
        return reply

    def is_here(self) -> bool:
        return self._get("/latest/meta-data/instance-id").status == 200

    def poll(self) -> Optional[Notice]:
        reply = expect(self._get("/latest/meta-data/spot/instance-action"), 200, 404)
        if reply.status == 404:
            return None
        said = reply.json()
        action, at = str(said.get("action", "action"))[:50], str(said.get("time", ""))
        try:
            until: Optional[datetime.datetime] = datetime.datetime.strptime(at, "%Y-%m-%dT%H:%M:%SZ")
        except ValueError:
            until = None
        return Notice(f"{action} {at}", f"aws spot {action}", remaining(until, reply, self.default_notice))

    def address(self) -> Optional[str]:
        return public_address(self._get("/latest/meta-data/public-ipv4"))


class Gcp:
    name = "gcp"
    default_notice = 30.0
    # To ask is to wait; this is for a service that answers at once.
    longest_pause = 1.0
    _flavor = {"Metadata-Flavor": "Google"}
    _path = "/computeMetadata/v1/instance/"

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata
        self._etag: Optional[str] = None

    def is_here(self) -> bool:
        reply = self._metadata.ask(self._path + "id", self._flavor)
        return reply.status == 200 and reply.headers.get("Metadata-Flavor") == "Google"

    def poll(self) -> Optional[Notice]:
        """Blocks until something changes, at first excepted."""
        path, timeout = self._path + "preempted", METADATA_TIMEOUT
        if self._etag is not None:
            etag = urllib.parse.quote(self._etag, safe="")
            path += f"?wait_for_change=true&timeout_sec={GCP_WAIT}&last_etag={etag}"
            timeout = GCP_WAIT + 10
        known, self._etag = self._etag, None
        reply = expect(self._metadata.ask(path, self._flavor, timeout), 200)
        # Without one, or with one that was not waited for, it is asked again after a pause.
        self._etag = reply.headers.get("ETag") or known
        if reply.body.strip().upper() != b"TRUE":
            return None
        return Notice("preempted", "gcp preempted", self.default_notice)

    def address(self) -> Optional[str]:
        path = self._path + "network-interfaces/0/access-configs/0/external-ip"
        return public_address(self._metadata.ask(path, self._flavor))


class Azure:
    name = "azure"
    default_notice = 30.0
    longest_pause = math.inf
    _flavor = {"Metadata": "true"}
    _instance = "/metadata/instance/"
    _version = "api-version=2021-02-01&format=text"

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata
        self._machine: Optional[str] = None

    def _name(self) -> Optional[str]:
        reply = self._metadata.ask(f"{self._instance}compute/name?{self._version}", self._flavor)
        return public_address(reply)

    def is_here(self) -> bool:
        return self._name() is not None

    def poll(self) -> Optional[Notice]:
        if self._machine is None:
            self._machine = self._name()
        path = "/metadata/scheduledevents?api-version=2020-07-01"
        reply = expect(self._metadata.ask(path, self._flavor, AZURE_TIMEOUT), 200)
        events = reply.json().get("Events")
        for event in events if isinstance(events, list) else []:
            if not isinstance(event, dict) or event.get("EventType") not in ("Preempt", "Terminate"):
                continue
            # The machines of a scale set hear of each other's events.
            resources = event.get("Resources")
            if self._machine is not None and isinstance(resources, list) and self._machine not in resources:
                continue
            kind = str(event["EventType"]).lower()
            seconds = 0.0
            if event.get("EventStatus") != "Started":
                try:
                    until: Optional[datetime.datetime] = http_date(str(event.get("NotBefore")))
                except ValueError:
                    until = None
                seconds = remaining(until, reply, self.default_notice)
            return Notice(str(event.get("EventId"))[:100], f"azure {kind}", seconds)
        return None

    def address(self) -> Optional[str]:
        path = f"{self._instance}network/interface/0/ipv4/ipAddress/0/publicIpAddress?{self._version}"
        return public_address(self._metadata.ask(path, self._flavor))


CLOUDS: Dict[str, Any] = {"aws": Aws, "gcp": Gcp, "azure": Azure}


def find_cloud(provider: str, metadata: Metadata) -> Any:
    """The cloud that is named, or that answers; None."""
    if provider in CLOUDS:
        return CLOUDS[provider](metadata)
    for kind in CLOUDS.values() if provider == "auto" else ():
        cloud = kind(metadata)
        try:
            if cloud.is_here():
                return cloud
        except Exception:
            continue
    return None


# The address ---------------------------------------------------------------------------------------------------------


def may_be_reached(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return not (address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast)


def private_address(control_url: str) -> Optional[str]:
    """This machine's address on the way to the control plane, else on the way to anywhere; no packet is sent."""
    control = urllib.parse.urlsplit(control_url).hostname or ""
    for target in (control, "192.0.2.1", "2001:db8::1"):
        try:
            family, kind, proto, _, address = socket.getaddrinfo(target, 9, type=socket.SOCK_DGRAM)[0]
            with socket.socket(family, kind, proto) as probe:
                probe.connect(address)
                found = str(probe.getsockname()[0])
        except OSError:
            continue
        if may_be_reached(found):
            return found
    return None


def endpoint_url(settings: Settings, metadata: Metadata) -> Optional[str]:
    """Where the gateway reaches the engine: as told, or as found, which is never this machine's own loopback."""
    told = settings.address
    if "://" in told:
        return told.rstrip("/")
    engine = urllib.parse.urlsplit(settings.engine_url)
    port = engine.port or (443 if engine.scheme == "https" else 80)
    if told == "private":
        host = private_address(settings.control_url)
    elif told == "public":
        cloud = find_cloud(settings.provider, metadata)
        host = None if cloud is None else cloud.address()
        host = host if host is not None and may_be_reached(host) else None
    elif re.fullmatch(r"[^:]+:\d+|\[[^\]]+\]:\d+", told):
        return f"{engine.scheme}://{told}"
    else:
        host = told
    if host is None:
        return None
    bare = host.strip("[]")
    return f"{engine.scheme}://{f'[{bare}]' if ':' in bare else bare}:{port}"


# The control plane ---------------------------------------------------------------------------------------------------


class Refused(Exception):
    """The control plane answered, but not with a success."""

    def __init__(self, reply: Reply) -> None:
        error = reply.json().get("error")
        said = error if isinstance(error, dict) else {}
        self.status = reply.status
        self.code = str(said.get("code", ""))[:50]
        self.retry_after = parse_seconds(reply.headers.get("Retry-After"))
        super().__init__(f"{reply.status} {self.code}: {str(said.get('message', ''))[:200]}")

    def is_unwelcome(self) -> bool:
        return self.status in (401, 403, 404)

    def is_over(self) -> bool:
        """A heartbeat is refused like this when the node is terminated or has failed."""
        return self.status == 409 and self.code == "invalid_state"


def parse_seconds(text: Optional[str]) -> float:
    return min(LONGEST_PAUSE, float(text)) if text is not None and re.fullmatch(r"\d{1,6}", text) else 0.0


class Control:
    """The endpoints of the control plane that are for this node."""

    def __init__(self, settings: Settings) -> None:
        self._base = f"{settings.control_url}/admin/nodes/{settings.node_id}/"
        self._opener = control_opener(settings.ca_file)
        self._headers = {"Authorization": f"Bearer {settings.token}", "Content-Type": "application/json"}

    def say(self, verb: str, body: Dict[str, Any], timeout: float = CONTROL_TIMEOUT) -> str:
        """The node's status. Raises Refused, or what the network raises."""
        reply = ask(self._opener, "POST", self._base + verb, self._headers, timeout, json.dumps(body).encode())
        status = reply.json().get("status")
        if reply.status != 200 or not isinstance(status, str):
            raise Refused(reply)
        return status


def pause_after(error: BaseException, attempt: int) -> float:
    """Seconds until the next attempt, which is never at the same moment as everybody else's."""
    longest, asked = 2.0 ** min(attempt, 5), 0.0
    if isinstance(error, Refused):
        asked = error.retry_after
        # The control plane holds back the answers of those who fail again and again.
        longest = LONGEST_PAUSE if error.is_unwelcome() else longest
    return max(asked, longest * random.uniform(0.5, 1.0))


# The agent -----------------------------------------------------------------------------------------------------------


class Agent:
    """One thread registers and sends heartbeats, another watches the cloud: neither waits for the other."""

    def __init__(self, settings: Settings, log: Log) -> None:
        self._settings = settings
        self._log = log
        self._control = Control(settings)
        self._metadata = Metadata(settings.metadata_url)
        self._engine = Engine(settings, log)
        self._lock = threading.Lock()
        self._status = ""
        self._status_asked_at = -math.inf
        self._wake = threading.Event()
        self._over = threading.Event()
        self._leaving = False
        self._registered = False
        self._register_at = 0.0
        self._register_failures = 0
        self._beat_at = time.monotonic() + random.uniform(0, min(1.0, settings.heartbeat))

    def run(self) -> None:
        """Returns when the node is over."""
        threading.Thread(target=self._watch, daemon=True).start()
        while not self._over.is_set():
            try:
                self._step()
            except Exception as error:
                self._log.change("agent-error", reason=reason_of(error))
                time.sleep(1)
        self._engine.stop("its node is over")

    def _step(self) -> None:
        self._wake.clear()
        if not self._registered and time.monotonic() >= self._register_at:
            self._register()
        if time.monotonic() >= self._beat_at:
            self._beat()
        due = self._beat_at if self._registered else min(self._beat_at, self._register_at)
        if not self._over.is_set():
            self._wake.wait(max(0.0, due - time.monotonic()))

    def _ask(self, verb: str, body: Dict[str, Any], timeout: float = CONTROL_TIMEOUT) -> str:
        asked_at = time.monotonic()
        try:
            status = self._control.say(verb, body, timeout)
        except Exception as error:
            what = str(error) if isinstance(error, Refused) else reason_of(error)
            self._log.change("control-plane", verb=verb, answer=what)
            raise
        self._log.change("control-plane", verb=verb, answer="ok")
        with self._lock:
            # Of two replies the one counts that was asked for later: an old one must not undo a drain.
            if asked_at >= self._status_asked_at:
                self._status, self._status_asked_at = status, asked_at
                self._log.change("status", status=status)
        return status

    def _register(self) -> None:
        """The node takes traffic from then on, so the engine has to answer first."""
        self._register_at = time.monotonic() + min(1.0, self._settings.heartbeat)
        self._engine.ended()
        if not self._engine.healthy():
            return
        try:
            url = endpoint_url(self._settings, self._metadata)
            if url is None:
                self._log.change("no-address", remedy="set NODE_ADDRESS to where the gateway reaches this machine")
                raise OSError("no address was found")
            self._ask("register", {"endpoint_url": url, "engine_version": self._engine.version()})
        except Exception as error:
            self._register_failures += 1
            self._register_at = time.monotonic() + pause_after(error, self._register_failures)
            return
        self._registered, self._register_failures = True, 0
        self._log.line("registered", endpoint_url=url)

    def _beat(self) -> None:
        interval = min(2.0, self._settings.heartbeat) if self._leaving else self._settings.heartbeat
        self._beat_at = time.monotonic() + interval * random.uniform(0.9, 1.0)
        self._engine.ended()
        if self._registered:
            self._engine.healthy()
        try:
            status = self._ask("heartbeat", {**self._engine.gauges(), **self._engine.gpu()})
        except Refused as refused:
            if refused.is_over():
                self._log.line("over", reason=str(refused))
                self._over.set()
            elif refused.is_unwelcome() or refused.retry_after > 0:
                self._beat_at = time.monotonic() + pause_after(refused, 0)
            return
        except Exception:
            return
        if status == "terminating":
            self._leaving = True
        # It has been forgotten that it serves: by a database that was restored, say.
        if status == "launching" and self._registered:
            self._registered = False

    def _watch(self) -> None:
        cloud: Any = None
        seen: Set[str] = set()
        searches = 0
        while not self._over.is_set():
            pause = min(self._settings.notice_poll, math.inf if cloud is None else cloud.longest_pause)
            try:
                if cloud is None:
                    cloud = find_cloud(self._settings.provider, self._metadata)
                    if cloud is None and self._settings.provider != "auto":
                        self._log.line("notices", watched="none: this provider gives none that is known")
                        return
                    self._log.change("notices", watched="none was found" if cloud is None else cloud.name)
                    searches += 1
                    pause = min(300.0, pause * 2.0**min(searches, 6)) if cloud is None else 0
                else:
                    notice = cloud.poll()
                    self._log.change("metadata", answer="ok")
                    if notice is not None and notice.name not in seen:
                        self._leave(notice, time.monotonic())
                        seen.add(notice.name)
            except Exception as error:
                self._log.change("metadata", answer=reason_of(error))
            self._over.wait(pause * random.uniform(0.9, 1.0))

    def _leave(self, notice: Notice, noticed_at: float) -> None:
        """Has the node drained and stops the engine, in time for its requests to end or to be carried over."""
        self._log.line("termination-notice", reason=notice.reason, seconds=round(notice.seconds, 1))
        deadline = noticed_at + notice.seconds
        # vLLM cuts its streams on SIGTERM: as late as possible, but with time for the gateway to go on elsewhere.
        stop_at = deadline - min(10.0, notice.seconds * 0.2)
        told_at = self._warn(notice, deadline, stop_at)
        self._leaving = True
        self._beat_at = time.monotonic()
        self._wake.set()
        idle = 0
        while time.monotonic() < stop_at and not self._over.is_set():
            if self._engine.ended():
                return
            drained = told_at is not None and self._status != "active" and self._status != "unhealthy"
            quiet = drained and time.monotonic() - (told_at or 0) >= DRAIN_HEARD and self._is_idle()
            idle = idle + 1 if quiet else 0
            if idle == 2:
                self._engine.stop("drained")
                return
            self._over.wait(min(1.0, max(0.05, stop_at - time.monotonic())))
        if told_at is not None and self._status in ("active", "unhealthy"):
            self._leaving = False
            self._log.line("undrained", effect="the engine runs on, as somebody wanted")
            return
        self._engine.stop(f"the machine is taken away in {max(0.0, deadline - time.monotonic()):.0f} s")

    def _is_idle(self) -> bool:
        gauges = self._engine.gauges()
        return gauges["running"] == 0 and gauges["waiting"] in (0, None)

    def _warn(self, notice: Notice, deadline: float, stop_at: float) -> Optional[float]:
        """Until it is heard, or it is too late. When it was heard; None: it was not."""
        while not self._over.is_set():
            left = deadline - time.monotonic()
            body = {"reason": notice.reason, "deadline_seconds": min(86_400, max(0, int(left)))}
            try:
                self._ask("termination-warning", body, min(CONTROL_TIMEOUT, max(2.0, left)))
                return time.monotonic()
            except Exception as error:
                if isinstance(error, Refused) and error.is_over():
                    return None
                refused = isinstance(error, Refused) and error.status < 500 and error.status != 429
                pause = (5.0 if refused else 1.0) * random.uniform(0.5, 1.0)
            if time.monotonic() + pause >= stop_at:
                return None
            self._over.wait(pause)
        return None


def end(_signal: int, _frame: Any) -> None:
    raise SystemExit(0)


def main() -> int:
    try:
        settings = read_settings(os.environ)
        log = Log([settings.token, settings.engine_key])
        agent = Agent(settings, log)
    except (ValueError, OSError) as error:
        Log([os.environ.get("NODE_TOKEN", "")]).line("wrong-setting", reason=str(error))
        return 2
    # Nothing that is started from here has a use for them.
    for name in ("NODE_TOKEN", "ENGINE_API_KEY"):
        os.environ.pop(name, None)
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    control = urllib.parse.urlsplit(settings.control_url)
    if control.scheme == "http" and control.hostname not in ("127.0.0.1", "::1", "localhost"):
        log.line("control-plane-in-clear", effect="who reads along has the node's token; use https")
    log.line("started", version=VERSION, node=settings.node_id, control_url=settings.control_url)
    agent.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
