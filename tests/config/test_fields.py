"""A scene's own fields: the compiled check says what JSON Schema says, in words of ours."""
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from engine.config.fields import checker_of, schema_of

TITLE = {"zh": "名", "en": "Name"}
_WORDS = st.sampled_from(["", "a", "ab", "abc", "12", "zz", "上海", "a b", "x" * 30])
_SCALARS = st.none() | st.booleans() | st.integers(-3, 12) | st.sampled_from([1.0, 2.5, -0.0]) | _WORDS


@st.composite
def field(draw) -> dict:
    kind = draw(st.sampled_from(["string", "integer", "boolean", "array"]))
    built = {"type": kind, "title": TITLE, "required": draw(st.booleans())}
    if kind == "string":
        built |= draw(st.fixed_dictionaries({}, optional={
            "enum": st.lists(_WORDS, min_size=1, unique=True),
            "minLength": st.integers(0, 3), "maxLength": st.integers(1, 4),
            "pattern": st.sampled_from(["[a-z]+", "[0-9]{2}", "a|ab", "[^ ]*"])}))
    elif kind == "integer":
        built |= draw(st.fixed_dictionaries({}, optional={
            "enum": st.lists(st.integers(0, 4), min_size=1, unique=True),
            "minimum": st.integers(0, 5), "maximum": st.integers(3, 9)}))
    elif kind == "array":
        built |= draw(st.fixed_dictionaries({}, optional={
            "minItems": st.integers(0, 2), "maxItems": st.integers(1, 3),
            "items": st.fixed_dictionaries({}, optional={"pattern": st.just("[a-z]+"), "maxLength": st.integers(1, 3),
                                                         "enum": st.lists(_WORDS, min_size=1, unique=True)})}))
    return built


_FIELDS = st.dictionaries(st.sampled_from(["one", "two", "three"]), field(), max_size=3)
_VALUES = st.dictionaries(st.sampled_from(["one", "two", "three", "four"]),
                          _SCALARS | st.lists(_SCALARS, max_size=4), max_size=4)


@given(_FIELDS, _VALUES)
def test_the_compiled_check_and_json_schema_agree(fields, values):
    schema = schema_of(fields)
    Draft202012Validator.check_schema(schema)
    assert (checker_of(fields)(values) == []) is Draft202012Validator(schema).is_valid(values)


FIELDS = {
    "page": {"type": "string", "maxLength": 4, "pattern": "[a-z]+", "title": TITLE},
    "level": {"type": "integer", "minimum": 1, "maximum": 3, "required": True, "title": TITLE},
    "kind": {"type": "string", "enum": ["person", "company"], "title": TITLE},
    "classes": {"type": "array", "minItems": 1, "items": {"pattern": "[0-4][0-9]"}, "title": TITLE},
    "gift": {"type": "boolean", "title": TITLE},
}


@pytest.mark.parametrize("values, details", [
    ({"level": 2}, []),
    (None, [("fields.level", "nothing", "a whole number")]),
    ("text", [("fields", '"text"', "an object")]),
    ({"level": 0}, [("fields.level", "0", "at least 1")]),
    ({"level": True}, [("fields.level", "true", "a whole number")]),
    ({"level": 1, "page": "abcde"}, [("fields.page", '"abcde"', "at most 4 characters")]),
    ({"level": 1, "page": "ab1"}, [("fields.page", '"ab1"', "text that matches [a-z]+")]),
    ({"level": 1, "page": "ab\n"}, [("fields.page", '"ab\\n"', "text that matches [a-z]+")]),
    ({"level": 1, "kind": "firm"}, [("fields.kind", '"firm"', "one of person, company")]),
    ({"level": 1, "classes": []}, [("fields.classes", "[]", "at least 1 entries")]),
    ({"level": 1, "classes": ["09", "99"]}, [("fields.classes[1]", '"99"', "text that matches [0-4][0-9]")]),
    ({"level": 1, "gift": "yes"}, [("fields.gift", '"yes"', "true or false")]),
    ({"level": 9, "page": 1}, [("fields.level", "9", "at most 3"), ("fields.page", "1", "text")]),
])
def test_each_fault_is_told_with_its_place(values, details):
    assert [(d["path"], d["found"], d["expected"]) for d in checker_of(FIELDS)(values)] == details


def test_an_unknown_field_is_told_with_the_nearest():
    detail, = checker_of(FIELDS)({"level": 1, "clases": ["09"]})
    assert detail["path"] == "fields.clases" and detail["nearest"] == "classes"
    detail, = checker_of({})({"page": "a"})
    assert "this scene has none" in detail["expected"] and "nearest" not in detail
