from __future__ import annotations

import pytest
import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from hypothesis import given
from hypothesis import strategies as st

from hfloop.errors import UserError
from hfloop.hub.card import whole_card
from hfloop.hub.card_text import code_blocks, lines_of, parse_card
from hfloop.hub.family import RenderedCard
from hfloop.hub.rendering import merge_cards

SECTIONS = ["summary", "figures", "use", "training"]
MODEL_INDEX = "model-index"


def card(f1=0.5, sections=SECTIONS, tags=("hfloop",), data="local/people", **metadata):
    """A card as hfloop would render it."""
    parts = ["<!-- Rendered by hfloop 1.0 for `user/name`; text between hfloop's markers is rendered again. -->"]
    parts += [
        f"<!-- hfloop:begin {name} -->\n\n## {name}\n\nF1 {f1}\n\n```python\nprint({f1})\n```\n\n"
        f"<!-- hfloop:end {name} -->"
        for name in sections
    ]
    result = EvalResult(
        task_type="token-classification",
        dataset_type=data,
        dataset_name="people",
        metric_type="f1",
        metric_value=f1,
    )
    return RenderedCard(
        ModelCardData(
            library_name="transformers", tags=list(tags), model_name="people", eval_results=[result], **metadata
        ),
        "\n\n".join(parts) + "\n",
        [],
    )


def metadata_of(text):
    return parse_card(text).metadata


def free_lines(text):
    """What people wrote, line by line, without empty lines."""
    free = "".join(part.text for part in parse_card(text).parts if part.name is None)
    return [line.rstrip("\r\n") for line in lines_of(free) if line.strip()]


def with_text(text, section, own):
    """A card to which somebody adds text behind a section, or before the first one."""
    marker = f"<!-- hfloop:end {section} -->\n"
    if section is None:
        return text.replace("---\n\n<!--", f"---\n{own}\n<!--", 1)
    assert marker in text
    return text.replace(marker, marker + own + "\n")


OWN = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "",
                "---",
                "license: mit",
                "# A heading",
                "Ünïcode 😀 \u2028 line",
                "| a | b |",
                "- point",
                "```",
                "~~~",
                "<!-- a remark -->",
                "    <!-- hfloop:begin summary -->",
                "`<!-- hfloop:end summary -->`",
            ]
        ),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=20),
    ),
    max_size=6,
).map("\n".join)


def can_stand(own):
    """Whether a person's text has no code block without an end, which is refused, see below."""
    return not code_blocks(own.split("\n"))[1]


OWN = OWN.filter(can_stand)

# ------------------------------------------------------------------ text


def test_a_first_card_is_what_was_rendered():
    assert merge_cards(card(), []) == whole_card(card())
    assert merge_cards(card(), [(whole_card(card()), card())]) == whole_card(card())


@given(st.lists(st.tuples(st.sampled_from([None, *SECTIONS]), OWN), max_size=3))
def test_hand_edits_survive_three_new_releases(edits):
    text = whole_card(card())
    for section, own in edits:
        text = with_text(text, section, own)
    written = free_lines(text)
    for number in range(1, 4):
        fresh = card(f1=number / 10)
        text = merge_cards(fresh, [(text, card(f1=(number - 1) / 10 or 0.5))])
        assert free_lines(text) == written
        assert parse_card(text).sections == parse_card(whole_card(fresh)).sections
        assert merge_cards(fresh, [(text, fresh)]) == text
        assert metadata_of(text) == metadata_of(whole_card(fresh))
    assert all(own in text for _, own in edits if own.strip())


@given(OWN, OWN, OWN)
def test_a_second_merge_changes_nothing_whoever_wrote_what(first, second, third):
    ours = with_text(with_text(whole_card(card(0.1)), "figures", first), None, third)
    theirs = with_text(with_text(whole_card(card(0.2)), "figures", second), "training", third)
    earlier = [(ours, card(0.1)), (theirs, card(0.2))]
    merged = merge_cards(card(0.3), earlier)
    assert merge_cards(card(0.3), [(merged, card(0.3)), *earlier[1:]]) == merged
    assert merge_cards(card(0.3), [(merged, card(0.3)), *earlier]) == merged
    assert merge_cards(card(0.3), [(merged, None)]) == merged
    for text in (ours, theirs):
        lines = iter(free_lines(merged))
        behind = free_lines("".join(part.text for part in parse_card(text).parts[4:6] if part.name is None))
        assert all(line in lines for line in behind)


def test_text_of_both_cards_is_kept_once_from_heading_to_heading():
    ours = with_text(whole_card(card()), "figures", "## Notes\nsame\n\n## Contact\nours\n\n## Thanks\nall")
    theirs = with_text(whole_card(card()), "figures", "## Notes\nsame\n\n## Funding\ntheirs\n\n## Thanks\nall")
    merged = merge_cards(card(), [(ours, card()), (theirs, card())])
    lines = ["## Notes", "same", "## Contact", "ours", "## Funding", "theirs", "## Thanks", "all"]
    assert [line for line in free_lines(merged) if line] == lines
    again = merge_cards(card(0.9), [(merged, card()), (theirs, card())])
    assert [line for line in free_lines(again) if line] == lines


def test_a_heading_in_a_code_block_parts_nothing():
    ours, theirs = (f"```bash\nset -e\n# {who}\nrun\n```" for who in ("ours", "theirs"))
    cards = [(with_text(whole_card(card()), "figures", own), card()) for own in (ours, theirs)]
    merged = merge_cards(card(), cards)
    assert ours in merged and theirs in merged


def test_code_blocks_of_both_cards_do_not_open_one_another():
    first, second = "````\nx\n```\n````", "```\ny\n```"
    ours, theirs = (with_text(whole_card(card()), "figures", own) for own in (first, second))
    merged = merge_cards(card(), [(ours, card()), (theirs, card())])
    assert first in merged and second in merged
    assert list(parse_card(merged).sections) == SECTIONS


def test_sections_that_are_often_the_same_are_kept_once():
    many = "# point\n" * 250
    ours, theirs = (with_text(whole_card(card()), "figures", many + f"# {own}") for own in ("ours", "theirs"))
    merged = merge_cards(card(), [(ours, card()), (theirs, card())])
    assert free_lines(merged) == [*["# point"] * 250, "# ours", "# theirs"]


def test_a_byte_order_mark_does_not_get_into_the_middle():
    assert "\n\n# Mine\n" in merge_cards(card(), [("\ufeff# Mine\n", None)])


@given(OWN)
def test_a_card_without_markers_stays_whole_before_what_is_rendered(own):
    merged = merge_cards(card(), [(own, None)])
    assert not own.strip() or own.removeprefix("\ufeff") in merged or parse_card(own).front
    assert list(parse_card(merged).sections) == SECTIONS
    assert merge_cards(card(0.9), [(merged, None)]).replace("0.9", "0.5") == merged


def test_what_is_new_comes_behind_its_predecessor_and_what_is_old_goes():
    text = with_text(whole_card(card(sections=["summary", "old", "use"])), "old", "about the old one")
    text = with_text(text, "summary", "about it all")
    merged = merge_cards(card(sections=["first", "summary", "figures", "use", "last"]), [(text, None)])
    parts = [part.name or part.text.strip() for part in parse_card(merged).parts if part.name or part.text.strip()]
    assert parts == [
        "header",
        "first",
        "summary",
        "about it all\n\nabout the old one",
        "figures",
        "use",
        "last",
    ]
    assert "old -->" not in merged


def test_sections_stay_where_people_moved_them():
    order = ["use", "summary", "training", "figures"]
    merged = merge_cards(card(0.9), [(whole_card(card(sections=order)), None)])
    assert list(parse_card(merged).sections) == order
    assert "F1 0.5" not in merged


def test_markers_stand_between_empty_lines():
    text = whole_card(card()).replace("-->\n\n<!-- hfloop:begin use", "-->\nclose to it\n<!-- hfloop:begin use")
    assert "-->\n\nclose to it\n\n<!-- hfloop:begin use" in merge_cards(card(), [(text, card())])


def test_a_code_block_without_an_end_swallows_no_section():
    text = whole_card(card(sections=["summary"])) + "```\nno end"
    merged = merge_cards(card(), [(text, None)])
    assert list(parse_card(merged).sections) == SECTIONS
    assert "```\nno end\n```\n" in merged


def test_a_card_with_the_line_ends_of_windows_keeps_them():
    text = with_text(whole_card(card()), "figures", "mine").replace("\n", "\r\n")
    merged = merge_cards(card(0.9), [(text, card()), (with_text(whole_card(card()), "use", "yours"), card())])
    assert "\r\nmine\r\n" in merged and "\r\nyours\r\n" in merged
    assert merged.count("\n") == merged.count("\r\n")
    assert merge_cards(card(0.9), [(merged, card(0.9))]) == merged
    assert ModelCard(merged).data.eval_results[0].metric_value == 0.9


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("---\na: [\n---\n", "line 3"),
        ("<!-- hfloop:begin use -->\n", "section `use`"),
        ("---\nmodel-index: none\n---\n", "model-index must be a list"),
        ("---\nmodel-index:\n- name: a\n  results:\n  - task: {type: x}\n---\n", "results[0].dataset.type"),
    ],
)
def test_a_card_that_cannot_be_read_is_refused(text, said):
    with pytest.raises(UserError) as error:
        merge_cards(card(), [(text, None)])
    assert said in str(error.value) and str(error.value).startswith("README.md")


# ------------------------------------------------------------------ metadata


def edited(rendered, **metadata):
    """A card whose metadata somebody changed."""
    front, text = metadata_of(whole_card(rendered)) | metadata, rendered.text
    return f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n{text}"


def test_added_keys_tags_and_lists_stay_and_hfloop_s_own_values_win():
    base = card(tags=["hfloop", "old"], datasets=["old/data"], base_model="old/base")
    text = edited(
        base,
        license="mit",
        language=["en", "de"],
        library_name="mine",
        tags=["resumes", "hfloop", "old"],
        datasets=["old/data", "my/data"],
        extra={"a": [1]},
    )
    for number in range(3):
        fresh = card(number / 10, tags=["hfloop", "new"])
        text = merge_cards(fresh, [(text, base)])
        base = fresh
        metadata = metadata_of(text)
        assert metadata["tags"] == ["hfloop", "new", "resumes"]
        assert metadata["datasets"] == ["my/data"]
        assert (metadata["license"], metadata["language"], metadata["extra"]) == ("mit", ["en", "de"], {"a": [1]})
        assert metadata["library_name"] == "transformers"
        assert "base_model" not in metadata


def test_what_hfloop_no_longer_says_stays_where_people_changed_it():
    text = edited(card(base_model="old/base"), base_model="right/base")
    assert metadata_of(merge_cards(card(), [(text, card(base_model="old/base"))]))["base_model"] == "right/base"


def result(data, metric, value, **dataset):
    return {
        "task": {"type": "token-classification"},
        "dataset": {"type": data, "name": "n", **dataset},
        "metrics": [{"type": metric, "value": value}],
    }


def test_figures_that_others_measured_stay_and_hfloop_s_are_renewed():
    base = card(0.5, data="local/before")
    others = [result("other/data", "f1", 0.7), result("local/before", "f1", 0.6, split="other")]
    mixed = result("local/before", "f1", 0.5)
    mixed["metrics"].append({"type": "accuracy", "value": 0.99, "verified": True})
    text = edited(base, **{MODEL_INDEX: [{"name": "mine", "results": [mixed, *others]}]})
    for number in range(1, 4):
        text = merge_cards(card(number / 10), [(text, base)])
        (model,) = metadata_of(text)[MODEL_INDEX]
        assert model["name"] == "people"
        figures = [
            (each["dataset"]["type"], each["dataset"].get("split"), metric["type"], metric["value"])
            for each in model["results"]
            for metric in each["metrics"]
        ]
        assert figures == [
            ("local/people", None, "f1", number / 10),
            ("local/before", None, "accuracy", 0.99),
            ("other/data", None, "f1", 0.7),
            ("local/before", "other", "f1", 0.6),
        ]
        assert len(ModelCard(text).data.eval_results) == 4
        base = card(number / 10)


@given(
    st.dictionaries(
        st.sampled_from(["license", "tags", "datasets", "extra", "library_name", "language"]),
        st.one_of(st.text(max_size=5), st.lists(st.sampled_from(["a", "hfloop", "é", "no", "1"]), max_size=3)),
    ),
    st.dictionaries(st.sampled_from(["tags", "datasets", "extra"]), st.lists(st.sampled_from("abc"), max_size=3)),
    st.booleans(),
)
def test_merging_metadata_again_changes_nothing(ours, theirs, is_known):
    fresh, base = card(0.3, datasets=["a"]), card(0.1, tags=["hfloop", "a"])
    earlier = [(edited(base, **ours), base if is_known else None), (edited(base, **theirs), base)]
    merged = merge_cards(fresh, earlier)
    for again in ([(merged, fresh)], [(merged, None)], [(merged, fresh), *earlier[1:]]):
        assert merge_cards(fresh, again) == merged
    kept = metadata_of(merged)
    assert set(ours) - {"tags", "datasets", "library_name"} <= {*kept}
    for tag in ours.get("tags", []) if isinstance(ours.get("tags"), list) else []:
        assert tag in kept["tags"] or (is_known and tag == "a")
