"""Checks an OpenAPI 3.1 document, and answers against it, with a validator that is not ours.

Usage: check_answers.py openapi.json answers.jsonl
Each line of answers.jsonl: {"verb", "path" (of the record), "status", "type", "body"}.
"""

import json
import sys
import warnings

warnings.simplefilter("ignore", DeprecationWarning)  # RefResolver: Debian 12 has nothing newer
from jsonschema import Draft202012Validator, FormatChecker, RefResolver  # noqa: E402

VERBS = {"get", "post", "patch", "put", "delete"}

# What the OpenAPI 3.1 specification requires of the parts that the document uses.
DOCUMENT = {
    "type": "object",
    "required": ["openapi", "info", "paths", "components"],
    "properties": {
        "openapi": {"pattern": r"^3\.1\.\d+$"},
        "info": {"type": "object", "required": ["title", "version"]},
        "paths": {
            "type": "object",
            "propertyNames": {"pattern": "^/"},
            "additionalProperties": {
                "type": "object",
                "propertyNames": {"enum": sorted(VERBS)},
                "additionalProperties": {"$ref": "#/$defs/operation"},
            },
        },
    },
    "$defs": {
        "operation": {
            "type": "object",
            "required": ["operationId", "summary", "responses"],
            "properties": {
                "parameters": {"type": "array", "items": {"$ref": "#/$defs/parameter"}},
                "requestBody": {
                    "type": "object",
                    "required": ["content"],
                    "properties": {"content": {"$ref": "#/$defs/content"}},
                },
                "responses": {
                    "type": "object",
                    "required": ["default"],
                    "propertyNames": {"pattern": r"^([1-5]\d\d|default)$"},
                    "additionalProperties": {
                        "type": "object",
                        "anyOf": [{"required": ["description"]}, {"required": ["$ref"]}],
                        "properties": {"content": {"$ref": "#/$defs/content"}},
                    },
                },
            },
        },
        "parameter": {
            "type": "object",
            "required": ["name", "in", "schema"],
            "properties": {"in": {"enum": ["path", "query", "header"]}},
            "if": {"properties": {"in": {"const": "path"}}},
            "then": {"required": ["required"]},
        },
        "content": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "object", "required": ["schema"]},
        },
    },
}


def walk_refs(node, found):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            found.add(node["$ref"])
        for value in node.values():
            walk_refs(value, found)
    elif isinstance(node, list):
        for value in node:
            walk_refs(value, found)


def check_document(document):
    Draft202012Validator(DOCUMENT).validate(document)
    refs = set()
    walk_refs(document, refs)
    for ref in refs:
        node = document
        assert ref.startswith("#/"), ref
        for part in ref[2:].split("/"):
            assert part in node, f"{ref} leads nowhere"
            node = node[part]
    for name, schema in document["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
    ids = [op["operationId"] for item in document["paths"].values() for op in item.values()]
    assert len(ids) == len(set(ids)), "an operationId is there twice"
    for path, item in document["paths"].items():
        names = {part[1:-1] for part in path.split("/") if part.startswith("{")}
        for operation in item.values():
            declared = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
            assert names == declared, f"{path}: {names} but {declared}"


def validator_for(document, schema):
    return Draft202012Validator(schema, resolver=RefResolver("", document),
                                format_checker=FormatChecker())


def check_answer(document, answer):
    operation = document["paths"][answer["path"]][answer["verb"].lower()]
    responses = operation["responses"]
    response = responses.get(str(answer["status"]), responses["default"])
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    where = f'{answer["verb"]} {answer["path"]} {answer["status"]}'
    assert answer["type"] in response["content"], f'{where}: {answer["type"]} is not announced'
    schema = response["content"][answer["type"]]["schema"]
    errors = list(validator_for(document, schema).iter_errors(answer["body"]))
    assert not errors, f"{where}: {errors[0].message} at {list(errors[0].absolute_path)}"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = json.load(file)
    check_document(document)
    count = 0
    with open(sys.argv[2], encoding="utf-8") as file:
        for line in file:
            check_answer(document, json.loads(line))
            count += 1
    print(f'{len(document["paths"])} paths, {len(document["components"]["schemas"])} schemas, '
          f"{count} answers: all fit")


main()
