"""The API's page for people, from the OpenAPI document: operations, fields, problems. Pure.

No foreign script is loaded: it is HTML of our own, with the pages' style.
"""

from __future__ import annotations

from typing import Any

from mailgate.web.api.problems import Kind


def described(document: dict[str, Any]) -> dict[str, Any]:
    """What the template `api.html` shows."""
    return {
        "title": document["info"]["title"],
        "version": document["info"]["version"],
        "description": document["info"]["description"],
        "operations": [
            _operation(method, path, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ],
        "schemas": [
            _schema(name, schema)
            for name, schema in document["components"]["schemas"].items()
            if "properties" in schema
        ],
        "problems": [
            {"slug": k.slug, "status": k.value.status, "title": k.value.title, "meaning": k.value.meaning} for k in Kind
        ],
    }


def _operation(method: str, path: str, operation: dict[str, Any]) -> dict[str, Any]:
    good = next(status for status in operation["responses"] if status.startswith("2"))
    takes = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    gives = operation["responses"][good]["content"]["application/json"]["schema"]
    return {
        "method": method.upper(),
        "path": f"/api/v1{path}",
        "what": operation["description"],
        "parameters": [
            {"name": p["name"], "in": p["in"], "type": _type(p["schema"]), "what": p.get("description", "")}
            for p in operation.get("parameters", [])
        ],
        "takes": _type(takes) if takes else "",
        "gives": _type(gives),
        "status": good,
        "refuses": ", ".join(status for status in operation["responses"] if not status.startswith("2")),
    }


def _schema(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    required = schema.get("required", [])
    return {
        "name": name,
        "what": schema.get("description", ""),
        "fields": [
            {
                "name": field,
                "type": _type(of),
                "needed": field in required,
                "what": of.get("description", ""),
            }
            for field, of in schema["properties"].items()
        ],
    }


def _type(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[-1])
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return str(schema.get("format") or schema.get("type", ""))
