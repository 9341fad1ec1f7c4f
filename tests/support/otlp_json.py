# SPDX-License-Identifier: Apache-2.0
"""Reads the OTLP/JSON that Tempo's paths answer with."""
import base64


def identifier(text, size):
    """An id as lower-case hex, whether it came as hex or as base64."""
    if not text:
        return ""
    if len(text) == 2 * size and all(c in "0123456789abcdefABCDEF" for c in text):
        return text.lower()
    return base64.b64decode(text).hex()


def value_of(value):
    """A JSON AnyValue as a Python value."""
    if "intValue" in value:
        return int(value["intValue"])
    if "arrayValue" in value:
        return [value_of(item) for item in value["arrayValue"].get("values", [])]
    if "kvlistValue" in value:
        return {item["key"]: value_of(item["value"]) for item in value["kvlistValue"].get("values", [])}
    for kind in ("stringValue", "boolValue", "doubleValue", "bytesValue"):
        if kind in value:
            return value[kind]
    return None


def attributes_of(thing):
    return {item["key"]: value_of(item["value"]) for item in thing.get("attributes", [])}


def spans_of(answer):
    """All spans of a trace answer, flat, each with `resource` and `scope`, ids as hex."""
    spans = []
    answer = answer.get("trace", answer)
    for batch in answer.get("batches") or answer.get("resourceSpans") or []:
        resource = attributes_of(batch.get("resource", {}))
        for scoped in batch.get("scopeSpans", []):
            for span in scoped.get("spans", []):
                span = dict(span, resource=resource, scope=scoped.get("scope", {}))
                span["trace_id"] = identifier(span.get("traceId"), 16)
                span["span_id"] = identifier(span.get("spanId"), 8)
                span["parent_span_id"] = identifier(span.get("parentSpanId"), 8)
                span["links"] = [dict(link, trace_id=identifier(link.get("traceId"), 16), span_id=identifier(link.get("spanId"), 8))
                                 for link in span.get("links", [])]
                spans.append(span)
    return spans
