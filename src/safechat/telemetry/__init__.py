"""OpenTelemetry: a span for every call, metrics, and gauges. The only room that uses it; needs `[otel]`.

Only the API package is used, so nothing is sent unless the program sets up an SDK.

    layer        Telemetry: the two layers, and the listener that puts the log's events into spans
    calls        safechat.*: what happened to calls, counted
    requests     gen_ai.client.*: each request to the API, by the names of the GenAI conventions
    gauges       safechat.*: how things stand at this moment
    conventions  names and attributes
"""

from safechat.telemetry.layer import Telemetry as Telemetry
