"""Checks recorded traffic against an OpenAPI 3.0 document.

Validated are the requests that the server accepted, those whose answer a fault replaced or lost, and all answers
that no fault had a hand in. Not validated, but counted: paths that the document does not have, answers made by a
fault, web pages that stand in for an error, and `required` in answers to `fields=`.
"""

import copy
import json
import re
import sys
from urllib.parse import parse_qs, urlsplit

from openapi_schema_validator import OAS30Validator, oas30_format_checker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def lax(node):
    """The same schemas without `required`, for projected answers."""
    if isinstance(node, dict):
        return {k: lax(v) for k, v in node.items() if not (k == "required" and isinstance(v, list))}
    if isinstance(node, list):
        return [lax(v) for v in node]
    return node


class Document:
    def __init__(self, document):
        self.paths = []
        for template, operations in document["paths"].items():
            pattern = re.sub(r"\\\{[^/]+?\\\}", "[^/]+", re.escape(template.rstrip("/")))
            # Fixed words win over parameters.
            self.paths.append((template.count("{"), re.compile(f"^{pattern}/?$", re.IGNORECASE), operations))
        self.paths.sort(key=lambda row: row[0])
        self.registries = {}
        for name, root in (("strict", document), ("lax", lax(copy.deepcopy(document)))):
            resource = Resource.from_contents(root, default_specification=DRAFT4)
            self.registries[name] = Registry().with_resource("urn:d", resource)
        self.cache = {}

    def operation(self, method, path):
        for _, pattern, operations in self.paths:
            if pattern.match(path):
                return operations.get(method.lower())
        return None

    def errors(self, schema, value, mode):
        key = (mode, json.dumps(schema, sort_keys=True))
        if key not in self.cache:
            absolute = json.loads(key[1].replace('"#/', '"urn:d#/'))
            if mode == "lax":
                absolute = lax(absolute)
            self.cache[key] = OAS30Validator(
                absolute, registry=self.registries[mode], format_checker=oas30_format_checker
            )
        return [f"{'/'.join(map(str, e.absolute_path))}: {e.message}"[:300] for e in self.cache[key].iter_errors(value)]


def schema_of(content):
    for media in (content or {}).values():
        return media.get("schema")
    return None


def main():
    document = Document(load(sys.argv[1]))
    told = {"requests": 0, "responses": 0, "unknownPaths": 0, "faulted": 0, "pages": 0, "projected": 0, "violations": 0}
    for path in sys.argv[2:]:
        for line in open(path, encoding="utf-8"):
            exchange = json.loads(line)
            check(document, exchange, told)
    print(json.dumps(told))
    if told["violations"] or not told["responses"]:
        sys.exit(1)


def check(document, exchange, told):
    target = urlsplit(exchange["target"])
    _, found, below = target.path.partition("/apis/3.0")
    operation = document.operation(exchange["method"], re.sub("/+", "/", below)) if found else None
    if operation is None:
        told["unknownPaths"] += 1
        return
    name = f"{exchange['method']} {exchange['target']} {exchange['status']}"

    def judge(kind, schema, body, mode):
        told[kind] += 1
        try:
            errors = document.errors(schema, json.loads(body), mode)
        except json.JSONDecodeError as error:
            errors = [f"not JSON: {error}"]
        for error in errors:
            told["violations"] += 1
            print(f"{name}: {kind}: {error}")

    schema = schema_of(operation.get("requestBody", {}).get("content"))
    faulted = exchange.get("fault") is not None
    if schema and exchange["requestBody"] and (faulted or exchange["status"] < 300):
        judge("requests", schema, exchange["requestBody"], "strict")
    if faulted or not exchange["status"]:
        told["faulted"] += 1
        return
    response = operation["responses"].get(str(exchange["status"])) or operation["responses"].get("default")
    if response is None:
        if exchange["status"] < 300:
            told["violations"] += 1
            print(f"{name}: this status is not declared")
        return
    if exchange["status"] >= 400 and "json" not in exchange["responseHeaders"].get("content-type", "json"):
        told["pages"] += 1
        return
    schema = schema_of(response.get("content"))
    if schema and exchange["responseBody"]:
        projected = "fields" in parse_qs(target.query)
        told["projected"] += projected
        judge("responses", schema, exchange["responseBody"], "lax" if projected else "strict")


main()
