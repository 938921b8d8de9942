"""Invented people: who they are, and the firms, colleges, titles and skills that their lives are made of."""

from __future__ import annotations

import random
import re
import unicodedata
from dataclasses import dataclass, field
from typing import TypeVar

from scripts.sample_resumes.markup import LOCATION, SKILL, tag
from scripts.sample_resumes.trades import Trade
from scripts.sample_resumes.vocabulary import (
    COLLEGE_PATTERNS,
    EMAIL_HOSTS,
    GIVEN_NAMES,
    LEGAL_FORMS,
    SCHOOL_PATTERNS,
    Vocabulary,
    phrases,
    seen,
    words,
)

T = TypeVar("T")
Place = tuple[str, str]

LEVELS = words("Senior Senior Senior Junior Lead Principal Associate Deputy Interim Chief")
DEPARTMENTS = phrases("""
    Operations; Quality; Planning; Customer Service; Compliance; Training; Special Projects; Facilities; Digital
    Services; Innovation; Product Support; Internal Communications; Sustainability; Field Services; Central
    Purchasing; Process Improvement; Client Relations; International Programmes
""")
DEPARTMENT_TITLES = phrases("""
    Head of {}; Director of {}; {} Manager; {} Lead; Team Leader {}; Vice President, {}; {} Specialist; Coordinator
    of {}; {} Officer; Manager {}; {} Consultant
""")

PUBLIC_BODIES = phrases(
    "City Council; Chamber of Commerce; Water Board; Port Authority; Tax Office; Airport; Housing Trust"
)

SENIOR_WORDS = ("Manager", "Professor", "Researcher", "Sister", "Teacher", "Intern", "Supervisor")

LEADING_LEVELS = ("Assistant", "Deputy", "Head", "Medical Assistant", "Research", "Doctoral", "Trainee")

OFFICE = {"Excel", "Word", "Access", "Outlook", "PowerPoint", "Visio"}
VERSIONED = {"Java", "Python", "Angular", "PostgreSQL", "AutoCAD", "Revit", "SolidWorks", "SPSS", "Oracle", "MATLAB"}

EMAIL_SHAPES = words("""
    {g}.{s}@{h} {g}.{s}@{h} {i}{s}@{h} {g}_{s}{n}@{h} {s}.{g}@{h} {g}{n}@{s}.{h} {i}.{s}@{h} {s}{n}@{h}
""")
PHONE_SHAPES = ["(212) 555-01##", "+1 415 555 01##", "020 7946 0###", "01632 960###", "555-01##", "+44 1632 960 ###"]


@dataclass(frozen=True)
class Company:
    """An employer, client or supplier: its full name, and the shorter one that people use in a sentence."""

    full: str
    short: str


@dataclass
class Job:
    """A position; `start` and `end` are months counted from January of year 0, `end` is None for the present one."""

    title: str
    company: Company
    place: Place
    start: int
    end: int | None
    note: str
    promoted_from: str | None
    tools: list[str]
    duties: list[str] = field(default_factory=list)


@dataclass
class Study:
    """A degree, where it was taken, its first and last month and its mark."""

    degree: str
    college: str
    place: Place
    start: int
    end: int
    grade: str


@dataclass
class Person:
    """All that a layout may tell of one invented person; `tools` and `practices` together are the skills."""

    trade: Trade
    name: str
    emails: list[str]
    phone: str
    place: Place
    jobs: list[Job]
    studies: list[Study]
    tools: list[str]
    practices: list[str]
    experience: str


class Inventor:
    """Invents the small things of a resume from one side of the vocabulary."""

    def __init__(self, rng: random.Random, vocabulary: Vocabulary) -> None:
        self.rng = rng
        self.vocabulary = vocabulary

    def pick(self, *pool: T) -> T:
        return self.rng.choice(pool)

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def sample(self, pool: list[T], count: int) -> list[T]:
        return self.rng.sample(pool, min(count, len(pool)))

    def given_name(self) -> str:
        given, shape = self.pick(*GIVEN_NAMES), self.rng.random()
        if shape < 0.1:
            return f"{given} {self.pick(*'ABCDEFGHJKLMNPRSTW')}."
        return f"{given} {self.pick(*GIVEN_NAMES)}" if shape < 0.16 else given

    def surname(self) -> str:
        return self.pick(*self.vocabulary.surnames)

    def stranger(self) -> str:
        """Somebody else's full name: never an entity."""
        return f"{self.pick(*GIVEN_NAMES)} {self.surname()}"

    def email(self, given: str, surname: str) -> str:
        first, last = ascii_letters(given.split()[0]), ascii_letters(surname)
        shape, number = self.pick(*EMAIL_SHAPES), self.rng.randint(2, 98)
        return shape.format(g=first, s=last, i=first[0], n=number, h=self.pick(*EMAIL_HOSTS))

    def phone(self) -> str:
        shape = self.pick(*PHONE_SHAPES)
        return "".join(str(self.rng.randint(0, 9)) if letter == "#" else letter for letter in shape)

    def place(self) -> Place:
        return self.pick(*(self.vocabulary.cities if self.chance(0.7) else self.vocabulary.towns))

    def city(self) -> str:
        """A marked town: wherever a town is named as a place it is an entity."""
        return tag(LOCATION, self.place()[0])

    def college(self) -> str:
        return self._school(COLLEGE_PATTERNS)

    def school(self) -> str:
        return self._school(SCHOOL_PATTERNS)

    def _school(self, patterns: list[str]) -> str:
        return self.pick(*patterns).format(
            town=self.pick(*self.vocabulary.towns)[0],
            surname=self.surname(),
            given=self.pick(*GIVEN_NAMES),
            saint=self.pick(*self.vocabulary.saints),
        )

    def company(self, trade: Trade) -> Company:
        """A firm named after nothing, a family, a town, a few letters, or a word that elsewhere is a skill."""
        sector, stem = self.pick(*trade.employers), self.pick(*self.vocabulary.stems)
        town = self.pick(*self.vocabulary.towns)[0]
        kinds = {
            f"{stem} {sector}": 34,
            stem: 14,
            f"{self.surname()} & {self.pick(self.surname(), 'Sons', 'Daughters', 'Co.')}": 9,
            f"{self.surname()} {sector}": 8,
            f"{self.stranger()} {sector}": 4,
            f"{town} {self.pick(sector, sector, *PUBLIC_BODIES)}": 12,
            f"{self.pick(*self.vocabulary.skill_like_stems)} {sector}": 8,
            self.pick(self.surname(), *self.vocabulary.skill_like_stems): 6,
            f"{self.pick(*self.vocabulary.acronyms)} {sector}": 6,
            self.pick(f"{stem}.io", stem.lower(), f"Groupe {stem}", f"Grupo {stem}"): 4,
        }
        [base] = self.rng.choices(list(kinds), list(kinds.values()))
        full = f"{base}{self.pick(' ', ' ', ', ')}{self.pick(*LEGAL_FORMS)}" if self.chance(0.35) else base
        short = stem if base.startswith(stem) and self.chance(0.5) else base
        return Company(full, short)

    def client(self, trade: Trade, employers: list[Company]) -> str:
        """A firm that shares no word of its name with any of the person's own employers: never an entity."""
        own = _words(" ".join(employer.full for employer in employers))
        while own & _words(name := self.company(trade).short):
            pass
        return name

    def title(self, trade: Trade) -> str:
        """A job title: a level, the trade's word for it, sometimes a department instead."""
        base, shape = self.pick(*trade.titles), self.rng.random()
        if shape < 0.3:
            level = self.pick(*LEVELS)
            return base if base.startswith(LEADING_LEVELS) else f"{level} {base}"
        if shape < 0.55:
            return self.pick(*DEPARTMENT_TITLES).format(self.pick(*DEPARTMENTS))
        return f"{base} {self.pick('II', 'III', 'and Team Lead', 'in Charge')}" if shape < 0.6 else base

    def first_title(self, trade: Trade) -> str:
        """What one is called before the first real job."""
        base = self.pick(*(title for title in trade.titles if not title.endswith(SENIOR_WORDS)))
        return self.pick(f"{base} Intern", f"Trainee {base}", f"Graduate {base}", f"Junior {base}", "Working Student")

    def tools(self, trade: Trade, count: int) -> list[str]:
        """Tools as one writes them down, now and then with a version; training never sees every fourth tool."""
        pool = trade.tools if self.vocabulary.unseen else seen(trade.tools)
        return [self._versioned(name) for name in self.sample(pool, count)]

    def _versioned(self, tool: str) -> str:
        if tool in OFFICE and self.chance(0.3):
            return f"{self.pick('MS ', 'Microsoft ')}{tool}{self.pick('', '', ' 2010', ' 2013', ' 2016')}"
        if tool in VERSIONED and self.chance(0.2):
            return f"{tool} {self.pick('8', '11', '12', '2015', '2019', '2021')}"
        return tool

    def skill(self, tools: list[str]) -> str:
        """One of `tools`, marked."""
        return tag(SKILL, self.pick(*tools))


def _words(name: str) -> set[str]:
    return set(re.findall(r"\w+", name.lower()))


def ascii_letters(name: str) -> str:
    """`name` as it stands in an e-mail address: lower case, letters only, no accents."""
    folded = name.lower().replace("ß", "ss").replace("æ", "ae").translate(str.maketrans("øłıđ", "olid"))
    return "".join(letter for letter in unicodedata.normalize("NFD", folded) if letter.isascii() and letter.isalpha())
