"""Override strings: what 2017 could write is applied, the rest is refused in one line with its column."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from cloudify_quagga import override_syntax
from cloudify_quagga.errors import Refused
from cloudify_quagga.model.document import MOST_VALUES
from cloudify_quagga.overrides import NotFound, apply, parse, parse_all
from tests.unit.refusals import checked

MANIFEST = {
    "kind": "Deployment",
    "spec": {
        "replicas": 1,
        "template": {
            "spec": {"containers": [{"name": "nginx", "image": "nginx"}, {"name": "log", "image": "log"}]}
        },
    },
}

CONTAINERS = "['spec']['template']['spec']['containers']"
WHOLE = "; a longer list is assigned whole"


class Found:
    """Substitutions with these values."""

    def __init__(self, properties: Mapping[str, Any] | None = None, context: Any = None) -> None:
        self.properties = properties or {}
        self.attribute = context
        self.paths: list[tuple[str | int, ...]] = []

    def runtime_properties(self, node: str) -> Mapping[str, Any]:
        if node not in self.properties:
            raise NotFound(f"there is no instance of a node {node}")
        found: Mapping[str, Any] = self.properties[node]
        return found

    def context(self, path: tuple[str | int, ...]) -> Any:
        self.paths.append(path)
        return self.attribute

    def management_ip(self) -> str:
        return "10.9.8.7"


def applied(text: str, manifest: Any = None, found: Found | None = None) -> Any:
    base = MANIFEST if manifest is None else manifest
    return apply(base, parse("overrides", text), found or Found())


def assigned(value: str, found: Found | None = None) -> Any:
    return applied(f"['x']={value}", {}, found)["x"]


def refusal(text: str, manifest: Any = None, found: Found | None = None) -> str:
    with pytest.raises(Refused) as caught:
        applied(text, manifest, found)
    checked(caught.value)
    return caught.value.right


def test_what_2017_printed() -> None:
    texts = ["['spec']['replicas']=3", f"{CONTAINERS}[0]['image']=\"x\""]
    changed = apply(MANIFEST, parse_all("config_files[0].overrides", texts), Found())
    assert changed["spec"]["replicas"] == 3
    assert [one["image"] for one in changed["spec"]["template"]["spec"]["containers"]] == ["x", "log"]


def test_the_manifest_given_is_left_as_it_was() -> None:
    before = copy.deepcopy(MANIFEST)
    applied(f"{CONTAINERS}[0]['image']='x'")
    assert before == MANIFEST


def test_what_one_yaml_alias_shares_is_changed_in_one_place_only() -> None:
    shared = {"image": "nginx"}
    assert applied("['a']['image']='x'", {"a": shared, "b": shared}) == {
        "a": {"image": "x"},
        "b": {"image": "nginx"},
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("+3", 3),
        ("0", 0),
        ("0o644", 0o644),
        ("0x1F", 31),
        ("0b101", 5),
        ("1.5", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("-1e3", -1000.0),
        ("True", True),
        ("true", True),
        ("False", False),
        ("false", False),
        ("None", None),
        ("null", None),
        ("''", ""),
        ("'x'", "x"),
        ('"x"', "x"),
        ("u'x'", "x"),
        ("'it\\'s'", "it's"),
        ('"it\'s"', "it's"),
        (r"'a\tb\nc\\d\x41\101\u00e9\U0001F600'", "a\tb\nc\\dAA\u00e9\U0001f600"),
        (r'"\ud83d\ude00"', "\U0001f600"),
        (r"'^\d+\.txt$'", r"^\d+\.txt$"),
        (r"'\/'", r"\/"),
        ("'#no comment'", "#no comment"),
        ("'100% @home'", "100% @home"),
        ("[]", []),
        ("{}", {}),
        ("[1, 'two', [3,], ]", [1, "two", [3]]),
        ("{'a': {\"b\": [null, {}]}, }", {"a": {"b": [None, {}]}}),
        ("{'a': 1, 'a': 2}", {"a": 2}),
        ("[\n 1,\n 2 # two\n]", [1, 2]),
        (r"'\x40{a, b}'", "@{a, b}"),
        (r"'\u0025{node.id}'", "%{node.id}"),
    ],
)
def test_literals(text: str, value: object) -> None:
    got = assigned(text)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    "text", ["['x']=1", " [ 'x' ] = 1 ", "[\n'x'\n]\n=\n1\n", "['x']=1 # why", '[u"x"]\t=\t1']
)
def test_blanks_and_comments_do_not_count(text: str) -> None:
    assert applied(text, {}) == {"x": 1}


def test_several_overrides_on_lines_of_their_own() -> None:
    assert applied("['x']=1\n# and\n['y']={'z': 2}\n['y']['z']=3\n", {}) == {"x": 1, "y": {"z": 3}}


def test_indexes_count_from_the_end_as_in_python() -> None:
    changed = applied(f"{CONTAINERS}[-1]['image']='x'")
    assert [one["image"] for one in changed["spec"]["template"]["spec"]["containers"]] == ["nginx", "x"]


@pytest.mark.parametrize(
    ("text", "column", "why"),
    [
        ("", 1, "begins with a subscript"),
        ("spec=3", 1, "begins with a subscript"),
        (".update({})", 1, "begins with a subscript"),
        ("['spec']", 9, "stands '='"),
        ("['spec'].clear()", 9, "stands '='"),
        ("['spec']+=1", 9, "stands '='"),
        ("['spec']==1", 10, "JSON or Python literal"),
        ("['spec']", 9, "it ends here"),
        ("['spec']=", 10, "it ends here"),
        ("['spec'", 8, "ends with ']'"),
        ("['spec'", 8, "it ends here"),
        ("['spec':1]=1", 8, "ends with ']'"),
        ("[spec]=1", 2, "string in quotes or a whole number"),
        ("[1.5]=1", 3, "ends with ']'"),
        ("[True]=1", 2, "string in quotes or a whole number"),
        ("['x']=open('/etc/passwd')", 7, "JSON or Python literal"),
        ("['x']=__import__('os').system('id')", 7, "JSON or Python literal"),
        ("['x']=1;import os", 8, "nothing may follow"),
        ("['x']=1 ['y']=2", 9, "nothing may follow"),
        ("['x']='a' 'b'", 11, "nothing may follow"),
        ("['x']='a'+'b'", 10, "nothing may follow"),
        ("['x']='''a'''", 9, "nothing may follow"),
        ("['x']=(1, 2)", 7, "JSON or Python literal"),
        ("['x']=b'x'", 7, "JSON or Python literal"),
        ("['x']=f'x'", 7, "JSON or Python literal"),
        ("['x']=nginx", 7, "JSON or Python literal"),
        ("['x']=NaN", 7, "JSON or Python literal"),
        ("['x']=1e999", 7, "larger than JSON can hold"),
        ("['x']=0755", 7, "0o644"),
        ("['x']=3L", 8, "a number ends here"),
        ("['x']=18446744073709551616", 7, "64 bits"),
        ("['x']=" + "9" * 10_000, 7, "64 bits"),
        ("['x']='open", 7, "not closed"),
        ("['x']='a\nb'", None, "not closed"),
        (r"['x']='\x4'", 8, "2 hexadecimal digits"),
        (r"['x']='\U00110000'", 8, "no such character"),
        (r"['x']='\ud800'", 7, "surrogate"),
        ("['x']=[1 2]", 10, "goes on with ','"),
        ("['x']=[,]", 8, "JSON or Python literal"),
        ("['x']={1: 2}", 8, "a string in quotes"),
        ("['x']={'a' 2}", 12, "stands ':'"),
        ("['x']={'a': 2", 14, "it ends here"),
        ("['x']=@{a}", 7, "@{node, property}"),
        ("['x']=@{}", 7, "@{node, property}"),
        ("['x']=@{a,}", 7, "@{node, property}"),
        ("['x']=@{a, b", 7, r"written \x40{"),
        ("['x']='@{a, b'", 8, r"written \x40{"),
        ("['x']=%{}", 7, "names with dots"),
        ("['x']=%{node.}", 7, "names with dots"),
        ("['x']=%{node id}", 7, "names with dots"),
        ("['x']=%{['node']}", 7, "names with dots"),
        ("['x']=%{node.id()}", 7, "names with dots"),
        ("['x']=%{__class__}", 7, "names with dots"),
        ("['x']=%{node.__class__}", 7, "names with dots"),
        ("['x']=%{node['__class__']}", 7, "underscore"),
        ("['x']=http://%{management_ip}", 7, "JSON or Python literal"),
        ("['x']=%{management_ip}:80", 23, "quotes about both"),
        ("['x']=1\n['y']=?", None, "line 2, column 7"),
    ],
)
def test_anything_else_is_refused_where_it_stands(text: str, column: int | None, why: str) -> None:
    said = refusal(text, {"x": 0})
    assert why in said
    if column is not None:
        assert said.startswith(f"is refused at column {column}: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "['spec']['tmpl']['x']=1",
            "is refused at column 9: ['spec'] has no 'tmpl'; it has replicas, template",
        ),
        (
            "['metadata']['name']=1",
            "is refused at column 1: the manifest has no 'metadata'; it has kind, spec",
        ),
        ("[0]=1", "is refused at column 1: the manifest is a map and has no 0"),
        ("['kind'][0]=1", "is refused at column 9: ['kind'] is a text and has no 0"),
        (
            "['spec']['replicas']['x']=1",
            "is refused at column 21: ['spec']['replicas'] is a number and has no 'x'",
        ),
        (
            f"{CONTAINERS}['x']=1",
            f"is refused at column 43: {CONTAINERS} is a list and has no 'x'",
        ),
        (
            f"{CONTAINERS}[2]=1",
            f"is refused at column 43: {CONTAINERS} has 2 elements, so none at 2{WHOLE}",
        ),
        (
            f"{CONTAINERS}[-3]['image']='x'",
            f"is refused at column 43: {CONTAINERS} has 2 elements, so none at -3{WHOLE}",
        ),
    ],
)
def test_a_way_that_does_not_exist_is_named(text: str, said: str) -> None:
    assert refusal(text) == said


def test_the_refusal_names_the_property_and_shows_where_it_leads() -> None:
    with pytest.raises(Refused) as caught:
        parse_all("config_files[1].overrides", ["['x']=1", "['x']=y"])
    assert caught.value.path == "config_files[1].overrides[1]"
    assert str(caught.value).startswith("config_files[1].overrides[1]: ['x'] is refused at column 7: ")


SECRET = "tomato-7c1f"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        # Whatever is built by functions: the value, its quotes forgotten, may stand anywhere.
        (f"['spec']['x'] = {SECRET}", "['spec']['x']"),
        (f"['spec']['x'] = '{SECRET}", "['spec']['x']"),
        (f"['spec']['x'] = '{SECRET}\nmore'", "['spec']['x']"),
        (f"['spec']['x'] = '{SECRET}' '{SECRET}'", "['spec']['x']"),
        (f"['spec']['x'] = ['{SECRET}', {{'{SECRET}': '{SECRET}' 1", "['spec']['x']"),
        (f"['nowhere'][ 'x' ] = '{SECRET}'", "['nowhere']['x']"),
        (f"['spec']['x'] = '{SECRET} @{{nobody, x}}'", "['spec']['x']"),
        (f"[ # {SECRET}\n 'spec' ] # {SECRET}\n ['x'] = ?", "['spec']['x']"),
        (f"['spec']['x'] = '{SECRET}'\n['kind']['y'] = '{SECRET}'", "['kind']['y']"),
        (f"['spec']['x'] = '{SECRET}'\n{SECRET}", None),
        (f"['spec']['{SECRET}", None),
        (f"['spec']['x']{SECRET}", None),
        (f"['spec']['x']['{SECRET}']", None),
        (SECRET, None),
    ],
)
def test_no_value_is_shown(text: str, shown: str | None) -> None:
    with pytest.raises(Refused) as caught:
        applied(text)
    said = str(caught.value)
    assert said.startswith(f"overrides: {shown or 'what is given'} is refused at ")
    assert SECRET not in said


PROPERTIES = {
    "db": {
        "port": 3306,
        "ip": "10.0.0.1",
        "up": True,
        "none": None,
        "map": {"a": [1, {"b": "deep"}]},
        "0": "zero",
    },
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("@{db, port}", 3306),
        ("@{db,port}", 3306),
        ("@{ db , port }", 3306),
        ("@{db, ip}", "10.0.0.1"),
        ("@{db, up}", True),
        ("@{db, none}", None),
        ("@{db, map}", {"a": [1, {"b": "deep"}]}),
        ("@{db, map, a, 1, b}", "deep"),
        ("@{db, 0}", "zero"),
        ("'@{db, port}'", "3306"),
        ('"http://@{db, ip}:@{db, port}/@{db, up}"', "http://10.0.0.1:3306/True"),
        ("%{management_ip}", "10.9.8.7"),
        ("'http://%{management_ip}/'", "http://10.9.8.7/"),
        ("[@{db, port}, {'@{db, ip}': '%{management_ip}'}]", [3306, {"10.0.0.1": "10.9.8.7"}]),
        ("{@{db, ip}: 1}", {"10.0.0.1": 1}),
    ],
)
def test_substitutions(text: str, value: object) -> None:
    got = assigned(text, Found(PROPERTIES))
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("%{node.id}", ("node", "id")),
        ("%{ node.id }", ("node", "id")),
        ("%{deployment}", ("deployment",)),
        ("%{node.properties['na me']}", ("node", "properties", "na me")),
        ('%{node.properties["ports"][0].x}', ("node", "properties", "ports", 0, "x")),
    ],
)
def test_paths_into_the_context(text: str, path: tuple[str | int, ...]) -> None:
    found = Found(context="here")
    assert assigned(text, found) == "here"
    assert assigned(f"'it is {text}'", found) == "it is here"
    assert found.paths == [path, path]


def test_subscripts_may_be_substitutions() -> None:
    found = Found({"n": {"key": "spec", "index": 1}})
    manifest = {"spec": [{"a-spec": 0}, {"a-spec": 0}]}
    changed = applied("[@{n, key}][@{n, index}]['a-@{n, key}']=1", manifest, found)
    assert changed == {"spec": [{"a-spec": 0}, {"a-spec": 1}]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("@{web, ip}", "is refused at column 7: there is no instance of a node web"),
        ("@{db, pott}", "is refused at column 7: db has no 'pott'; it has 0, ip, map, none, port, up"),
        ("@{db, map, a, 2}", "is refused at column 7: db.map.a has 2 elements, so none at 2"),
        ("@{db, ip, x}", "is refused at column 7: db.ip has no 'x', it is a text"),
        (
            "'@{db, map}'",
            "is refused at column 8: the substitution is a map, which cannot stand within a string",
        ),
        (
            "'@{db, none}'",
            "is refused at column 8: the substitution is null, which cannot stand within a string",
        ),
        ("{@{db, port}: 1}", "is refused at column 8: the substitution is a number; a map's key is a text"),
    ],
)
def test_a_substitution_without_a_value_is_refused(text: str, said: str) -> None:
    assert refusal(f"['x']={text}", {}, Found(PROPERTIES)) == said


@pytest.mark.parametrize("value", [object(), {1: "x"}, float("nan"), {"a": {1, 2}}, b"x", "\ud800"])
def test_a_substituted_value_is_plain_data(value: object) -> None:
    assert "is refused at column 7: the substitution " in refusal(
        "['x']=@{n, p}", {}, Found({"n": {"p": value}})
    )


def test_a_substituted_value_without_end_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert "nested deeper than" in refusal("['x']=@{n, p}", {}, Found({"n": {"p": endless}}))
    wide: list[object] = []
    for _ in range(60):
        wide = [wide, wide]
    assert "holds more than" in refusal("['x']=@{n, p}", {}, Found({"n": {"p": wide}}))


def test_what_is_as_large_as_allowed_is_taken() -> None:
    most = MOST_VALUES - 1
    assert len(assigned("@{n, p}", Found({"n": {"p": [0] * most}}))) == most
    assert "holds more than" in refusal("['x']=@{n, p}", {}, Found({"n": {"p": [0] * (most + 1)}}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("['x']" * 100 + "=1", "is refused at column 6: ['x'] is a text and has no 'x'"),
        ("['x']" * 101 + "=1", "is refused at column 501: there are more than 100 subscripts"),
        (
            "['x']=[" + "@{n, p}," * 100 + "?]",
            "is refused at column 808: a value is a JSON or Python literal",
        ),
        (
            "['x']=[" + "@{n, p}," * 101 + "?]",
            "is refused at column 808: there are more than 100 substitutions",
        ),
        ("['x']=" + "[" * 50 + "?", "is refused at column 57: a value is a JSON or Python literal"),
        (
            "['x']=" + "[" * 51 + "?",
            "is refused at column 57: lists and maps are nested deeper than 50 levels",
        ),
        ("['x'][@{n, true}]=1", "is refused at column 7: the substitution is a boolean; a subscript is"),
        ("['x']=@{n, list, " + "9" * 10_000 + "}", "is refused at column 7: n.list has no '999"),
    ],
)
def test_limits(text: str, said: str) -> None:
    found = Found({"n": {"p": 1, "true": True, "list": [0]}})
    assert refusal(text, {"x": "x"}, found).startswith(said)


def test_a_string_cannot_be_blown_up() -> None:
    found = Found({"n": {"p": "x" * override_syntax.LONGEST}})
    assert "longer than" in refusal("['x']='@{n, p}@{n, p}'", {}, found)
