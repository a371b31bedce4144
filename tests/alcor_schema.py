# SPDX-License-Identifier: Apache-2.0
"""Message classes made from the tables of wire-protocol.md, and from nothing
of ours: what the tests speak is what the document says, not what our own
.proto files say.

The document is looked for in $ALCOR_DESIGN, else in ../shared/design beside
the checkout.  Use:

    schema = alcor_schema.load()
    schema.mq.Envelope(kind=schema.kind("HELLO"))
    schema.alcor.GoalStateV2()
"""

import collections
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

SCALARS = ("bool", "string", "uint32", "uint64")
MQ_MESSAGES = ("Envelope", "Hello", "SnapshotBegin", "SnapshotEnd",
               "PortEvent")

Field = collections.namedtuple("Field", "number type name oneof")


class SchemaError(Exception):
    """The document is missing or reads differently from what we expect."""


class Message:
    """A message or enum, with those nested in it."""

    def __init__(self, name):
        self.name = name
        self.fields = []            # Of a message: list of Field.
        self.values = None          # Of an enum: list of (name, number).
        self.nested = collections.OrderedDict()

    def to_proto(self, indent=""):
        inner = indent + "  "
        if self.values is not None:
            return (["%senum %s {" % (indent, self.name)]
                    + ["%s%s = %d;" % (inner, n, v) for n, v in self.values]
                    + [indent + "}"])
        lines = ["%smessage %s {" % (indent, self.name)]
        for nested in self.nested.values():
            lines += nested.to_proto(inner)
        oneofs = collections.OrderedDict()
        for field in self.fields:
            text = "%s %s = %d;" % (field.type, field.name, field.number)
            if field.oneof:
                oneofs.setdefault(field.oneof, []).append(text)
            else:
                lines.append(inner + text)
        for name, members in oneofs.items():
            lines.append("%soneof %s {" % (inner, name))
            lines += [inner + "  " + member for member in members]
            lines.append(inner + "}")
        return lines + [indent + "}"]


def design_dir():
    here = os.path.dirname(os.path.abspath(__file__))
    return (os.environ.get("ALCOR_DESIGN")
            or os.path.join(here, "..", "..", "shared", "design"))


def parse_field(text):
    """'3 repeated string x (oneof y)' -> Field.  Trailing words that are not
    a declaration, such as '(=1)', are comments."""
    m = re.match(r"(\d+) ((?:repeated )?(?:map<\w+, *[\w.]+>|[\w.]+)) (\w+)"
                 r"(?: \(oneof (\w+)\))?", text.strip())
    if not m:
        raise SchemaError("not a field: %r" % text)
    return Field(int(m.group(1)), m.group(2), m.group(3), m.group(4))


def parse_values(text):
    """'A=0, B=1' -> [('A', 0), ('B', 1)]."""
    return [(name, int(number))
            for name, number in re.findall(r"(\w+)=(\d+)", text)]


def section(text, number):
    m = re.search(r"^## %d\. .*?$(.*?)(?=^## |\Z)" % number, text,
                  re.M | re.S)
    if not m:
        raise SchemaError("no section %d" % number)
    return m.group(1)


def parse_envelope(text):
    """Section 2: messages as 'Name: 1 type name; 2 type name ...', each up to
    its full stop, and the Kind enum likewise."""
    types = collections.OrderedDict()
    kind = types["Kind"] = Message("Kind")
    m = re.search(r"^Kind: (.*?)\.$", text, re.M | re.S)
    if not m:
        raise SchemaError("no list of kinds")
    kind.values = parse_values(m.group(1))
    for name in MQ_MESSAGES:
        m = re.search(r"\b%s: (1 .*?)\.(?=\s|$)" % name, text, re.S)
        if not m:
            raise SchemaError("no fields of %s" % name)
        message = types[name] = Message(name)
        # "6 uint64 epoch and 7 string sender" is two fields; a comment in
        # parentheses may hold anything.
        fields = re.sub(r"\([^)]*\)", "", m.group(1))
        for part in re.split(r";|\band\b(?= \d)", fields):
            message.fields.append(parse_field(part))
    return types


def parse_schema(text):
    """Section 7: one bullet per enum or message, nested ones by dotted
    name; and extensions as 'Message NUMBER type name' in its prose."""
    types = collections.OrderedDict()

    def place(dotted):
        *parents, name = dotted.split(".")
        where = types
        for parent in parents:
            where = where.setdefault(parent, Message(parent)).nested
        return where.setdefault(name, Message(name))

    for bullet in re.findall(r"^- (.*)$", text, re.M):
        m = re.match(r"(enum )?\*\*([\w.]+)\*\*: (.*)$", bullet)
        if not m:
            raise SchemaError("not a message or enum: %r" % bullet)
        message = place(m.group(2))
        if m.group(1):
            message.values = parse_values(m.group(3))
        else:
            message.fields = [parse_field(f) for f in m.group(3).split(";")]
    prose = re.sub(r"^- .*$", "", text, flags=re.M)
    for name, field in re.findall(r"\b(\w+) (1\d{3} [\w ]+?) \(", prose):
        if name in types:
            types[name].fields.append(parse_field(field))
    return types


def proto_text(package, types):
    lines = ['syntax = "proto3";', "package %s;" % package]
    for message in types.values():
        lines += message.to_proto()
    return "\n".join(lines) + "\n"


def import_modules(directory, names):
    sys.path.insert(0, directory)
    try:
        return [importlib.import_module(name + "_pb2") for name in names]
    finally:
        sys.path.remove(directory)


def compile_protos(protos):
    """Compiles {module name: text} with protoc and imports the result.  If
    $ALCOR_SCHEMA_CACHE is set, it is kept in that directory, whose owner sees
    to it that it serves one wire-protocol.md only."""
    cache = os.environ.get("ALCOR_SCHEMA_CACHE")
    if cache and os.listdir(cache):
        return import_modules(cache, protos)
    directory = cache or tempfile.mkdtemp(prefix="alcor-schema-")
    try:
        for name, text in protos.items():
            with open(os.path.join(directory, name + ".proto"), "w") as f:
                f.write(text)
        subprocess.run(["protoc", "-I", directory, "--python_out", directory]
                       + [name + ".proto" for name in protos],
                       cwd=directory, check=True)
        return import_modules(directory, protos)
    finally:
        if not cache:
            shutil.rmtree(directory)


class Schema:
    """The two packages as modules, 'mq' and 'alcor', and conveniences."""

    PAYLOADS = {
        "HELLO": "mq.Hello", "HELLO_REPLY": "mq.Hello",
        "GOAL_STATE": "alcor.GoalState",
        "GOAL_STATE_V2": "alcor.GoalStateV2",
        "GOAL_STATE_REPLY": "alcor.GoalStateOperationReply",
        "HOST_REQUEST": "alcor.HostRequest",
        "HOST_REPLY": "alcor.HostRequestReply",
        "SUBSCRIBE_INFO": "alcor.NodeSubscribeInfo",
        "SUBSCRIBE_REPLY": "alcor.SubscribeOperationReply",
        "SNAPSHOT_BEGIN": "mq.SnapshotBegin",
        "SNAPSHOT_END": "mq.SnapshotEnd",
        "TXN_PREPARE": "alcor.GoalStateV2",
        "TXN_VOTE": "alcor.GoalStateOperationReply",
        "TXN_DONE": "alcor.GoalStateOperationReply",
        "PORT_EVENT": "mq.PortEvent",
    }

    def __init__(self, mq, alcor):
        self.mq = mq
        self.alcor = alcor

    def kind(self, name):
        return self.mq.Kind.Value(name)

    def payload_class(self, kind):
        """Class of the payload of 'kind' (name), None where it has none."""
        path = self.PAYLOADS.get(kind)
        if path is None:
            return None
        package, name = path.split(".")
        return getattr(getattr(self, package), name)


def load():
    path = os.path.join(design_dir(), "wire-protocol.md")
    try:
        with open(path, encoding="utf-8") as f:
            text = f.read()
    except OSError as e:
        raise SchemaError("%s: %s (set ALCOR_DESIGN to the folder of "
                          "wire-protocol.md)" % (path, e.strerror))
    mq, alcor = compile_protos(collections.OrderedDict([
        ("alcor_test_mq", proto_text("alcor.mq",
                                     parse_envelope(section(text, 2)))),
        ("alcor_test_schema", proto_text("alcor.schema",
                                         parse_schema(section(text, 7))))]))
    return Schema(mq, alcor)
