"""The sections of a resume, all in the manner that one page keeps: its headings, bullets, dates and blanks."""

from __future__ import annotations

from scripts.sample_resumes.careers import LAST_YEAR
from scripts.sample_resumes.markup import (
    COLLEGE,
    COMPANY,
    DEGREE,
    DESIGNATION,
    EMAIL,
    LOCATION,
    NAME,
    SKILL,
    YEAR,
    tag,
    upper,
)
from scripts.sample_resumes.people import Inventor, Job, Person, Study
from scripts.sample_resumes.prose import summary
from scripts.sample_resumes.vocabulary import (
    CERTIFICATES,
    INTERESTS,
    LANGUAGE_LEVELS,
    LANGUAGES,
    STREETS,
    phrases,
    words,
)

# Each entry: what training may see; what only validation and test see.
HEADINGS = {
    "summary": ("Summary; Profile; About me; Career Summary; Professional Summary; Objective", "In brief; Who I am"),
    "experience": (
        "Work Experience; Experience; Employment; Professional Experience; Employment History; Career History",
        "Positions held; Professional background",
    ),
    "education": (
        "Education; Academic Background; Education & Training; Academics; Qualifications",
        "Studies; Schooling",
    ),
    "skills": ("Skills; Key Skills; Technical Skills; Core Competencies; Areas of Expertise", "Know-how; Toolbox"),
    "languages": ("Languages; Language Skills; Languages Known", "Spoken languages"),
    "certificates": ("Certifications; Certificates and Courses; Licences; Training", "Further training"),
    "interests": ("Interests; Hobbies; Hobbies & Interests; Personal", "Leisure"),
    "references": ("References; Referees", "People you may ask"),
    "achievements": ("Selected Achievements; Accomplishments; Key Achievements; Highlights", "What I have done"),
    "awards": ("Awards; Achievements; Awards and Honours", "Distinctions"),
    "volunteering": ("Volunteering; Community Work; Voluntary Work", "Unpaid work"),
    "publications": ("Publications; Selected Publications; Papers", "Writing"),
}
HEADING_SHAPES = ["{}", "{}", "{}:", "{}\n--------------------", "== {} ==", "{}\n", "- {} -"]
BULLETS = ["• ", "- ", "* ", "● ", "➢ ", "– ", "o ", "✓ ", ""]
MONTHS = words("January February March April May June July August September October November December")
DATE_SHAPES = [
    "{name} {year}",
    "{short} {year}",
    "{month:02}/{year}",
    "{year}",
    "{year}-{month:02}",
    "{short}, {year}",
]
DASHES = [" – ", " - ", " to ", "–", " -- "]
PRESENT = ["Present", "present", "today", "Current", "till date", "now"]

# A pilcrow is a line break.
JOB_HEADS = phrases("""
    {title}¶{company}, {place}¶{dates}{note}; {company} – {place}¶{title} ({dates}){note}; {dates} {title},
    {company}, {place}; {title} at {company} | {dates}{note}; {company} ({city})¶{dates}¶{title}{note}; {title} |
    {company} | {place} | {dates}; {company}, {city}: {title}{note}, {dates}; Company: {company}¶Role:
    {title}{note}¶Period: {dates}; {title}, {company}¶{city}, {dates}{note}; {title} - {company} - {city}
    ({dates}); {company}¶{title}{note}¶{dates}; {dates}: {title} with {company} in {city}{note}; {city}:
    {company}¶{title}, {dates}
""")
UNSEEN_JOB_HEADS = phrases(
    "[{dates}] {title} @ {company}; {company} / {title} / {dates}; {title} ({company}, {dates}){note}"
)
STUDY_LINES = phrases("""
    {degree}¶{college} - {place}¶{years}; {degree}, {college}, {years}; {college}, {city} — {degree} ({years});
    {years} {degree}, {college}; {college}¶{degree}, {grade}¶{years}; {degree} from {college} with {grade} in
    {year}; {degree} ({year}), {college}, {city}; {college}¶{degree} · ({years}); {degree} - {year}¶{college},
    {place}; {years}: {college}, {degree}; {degree} at {college}, {city}. Graduated in {year}. Result: {grade}
""")
UNSEEN_STUDY_LINES = phrases("{year} | {college} | {degree}; {college} ({city}), class of {year}: {degree}")
STUDY_EXTRAS = phrases("""
    Thesis: "On {project}" ({before}); Exchange semester in {city}, {before}; Scholarship of the {stranger}
    Foundation {before}; Member of the {college} debating team; Supervisor: Prof. {stranger}; Student
    representative since {before}; Modules: {field}, {field2}
""")


class Page:
    """One person's resume as one person would lay it out; every section comes back as marked text."""

    def __init__(self, inventor: Inventor, person: Person) -> None:
        self.inventor, self.person = inventor, person
        unseen = inventor.vocabulary.unseen
        self.heading_shape = inventor.pick(*HEADING_SHAPES, *(["[{}]", "# {}"] if unseen else []))
        self.capital_headings = inventor.chance(0.45)
        self.bullet = inventor.pick(*BULLETS, *(["» ", "‣ "] if unseen else []))
        self.date_shape = inventor.pick(*DATE_SHAPES, *(["{month:02}.{year}"] if unseen else []))
        self.dash = inventor.pick(*DASHES, *([" until "] if unseen else []))
        self.present = inventor.pick(*PRESENT, *(["ongoing"] if unseen else []))
        self.job_head = inventor.pick(*JOB_HEADS, *(UNSEEN_JOB_HEADS if unseen else []))
        self.study_line = inventor.pick(*STUDY_LINES, *(UNSEEN_STUDY_LINES if unseen else []))
        self.graduation_only = inventor.chance(0.35)
        self.with_region = inventor.chance(0.5)
        self.blank_lines = inventor.pick("\n", "\n", "\n\n")

    # Small marked things

    def name(self) -> str:
        return tag(NAME, self.person.name)

    def email(self) -> str:
        return tag(EMAIL, self.person.emails[0])

    def headline(self) -> str:
        return tag(DESIGNATION, self.person.jobs[0].title)

    def home(self) -> str:
        return self.place(self.person.place)

    def place(self, place: tuple[str, str]) -> str:
        """A marked town, on some pages with its unmarked region or country."""
        town, region = place
        return f"{tag(LOCATION, town)}, {region}" if self.with_region else tag(LOCATION, town)

    def street(self) -> str:
        return f"{self.inventor.rng.randint(1, 180)} {self.inventor.pick(*STREETS)}"

    def profile_link(self) -> str:
        """A link, which is no e-mail address."""
        surname = self.person.emails[0].split("@")[0].replace(".", "-")
        return self.inventor.pick("profiles.example.com/in/", "www.example.org/cv/", "code.example.net/") + surname

    def heading(self, kind: str) -> str:
        seen, unseen = HEADINGS[kind]
        new = self.inventor.vocabulary.unseen and self.inventor.chance(0.3)
        title = self.inventor.pick(*phrases(unseen if new else seen))
        return self.heading_shape.format(title.upper() if self.capital_headings else title)

    def section(self, kind: str, lines: list[str]) -> str:
        return "\n".join([self.heading(kind), *lines])

    def bullets(self, lines: list[str]) -> list[str]:
        return [f"{self.bullet}{line}" for line in lines]

    # Dates

    def month(self, months: int) -> str:
        year, month = divmod(months, 12)
        name = MONTHS[month]
        return self.date_shape.format(year=year, month=month + 1, name=name, short=name[:3])

    def dates(self, job: Job) -> str:
        end = self.present if job.end is None else self.month(job.end)
        return f"{self.month(job.start)}{self.dash}{end}"

    def graduation(self, study: Study) -> str:
        return tag(YEAR, str(study.end // 12))

    def study_years(self, study: Study) -> str:
        """When somebody studied: of a range, only the last year is the graduation's."""
        year = str(study.end // 12)
        if self.graduation_only:
            return tag(YEAR, year)
        if self.inventor.chance(0.12):
            return self.inventor.pick("graduated {}", "Class of {}", "passed in {}", "completed {}").format(
                tag(YEAR, year)
            )
        return f"{self.month(study.start)}{self.dash}{self.month(study.end).replace(year, tag(YEAR, year))}"

    # Sections

    def summary(self, sentences: int) -> str:
        text = ". ".join(summary(self.inventor, self.person, sentences)) + "."
        return self.section("summary", [text])

    def job_lines(self, job: Job) -> list[str]:
        """The lines above a job's duties."""
        head = self.job_head.format(
            title=tag(DESIGNATION, job.title),
            company=tag(COMPANY, job.company.full),
            place=self.place(job.place),
            city=tag(LOCATION, job.place[0]),
            dates=self.dates(job),
            note=f" ({job.note})" if job.note else "",
        )
        promotion = (
            f"Promoted from {tag(DESIGNATION, job.promoted_from)} in {job.start // 12 + 1}"
            if job.promoted_from
            else ""
        )
        return [*head.split("¶"), *([promotion] if promotion else [])]

    def job(self, job: Job) -> str:
        lines = [*self.job_lines(job), *self.bullets(job.duties)]
        if job.tools and self.inventor.chance(0.2):
            marked = ", ".join(tag(SKILL, tool) for tool in job.tools)
            lines.append(f"{self.inventor.pick('Tools', 'Environment', 'Technologies used', 'Software')}: {marked}")
        return "\n".join(lines)

    def experience(self) -> str:
        return self.section("experience", [self.blank_lines.join(self.job(job) for job in self.person.jobs)])

    def study(self, study: Study) -> str:
        pick, fields = self.inventor.pick, self.person.trade.fields
        line = self.study_line.format(
            degree=tag(DEGREE, study.degree),
            college=tag(COLLEGE, study.college),
            place=self.place(study.place),
            city=tag(LOCATION, study.place[0]),
            years=self.study_years(study),
            year=self.graduation(study),
            grade=study.grade,
        )
        extra = pick(*STUDY_EXTRAS).format(
            project=pick(*self.person.trade.projects),
            college=tag(COLLEGE, study.college),
            city=self.inventor.city(),
            before=study.end // 12 - 1,
            stranger=self.inventor.stranger(),
            field=pick(*fields),
            field2=pick(*fields),
        )
        return "\n".join([*line.split("¶"), *([extra] if self.inventor.chance(0.2) else [])])

    def education(self) -> str:
        return self.section("education", [self.study(study) for study in self.person.studies])

    def skill_names(self) -> list[str]:
        """Tools and abilities in one list, abilities as this page spells them."""
        capital = self.inventor.chance(0.5)
        practices = [name[0].upper() + name[1:] if capital else name for name in self.person.practices]
        return [*dict.fromkeys([*self.person.tools, *practices])]

    def skills(self) -> str:
        pick = self.inventor.pick
        names = self.skill_names()
        marked = [tag(SKILL, name) for name in names]
        shape = pick("commas", "commas", "bullets", "lines", "groups", "levels", "separators", "years", "sentence")
        if shape == "commas":
            lines = [f"{', '.join(marked[:-1])}{pick(', ', ' and ', ' & ')}{marked[-1]}{pick('', '.')}"]
        elif shape == "bullets":
            lines = [f"{self.bullet or '• '}{name}" for name in marked]
        elif shape == "lines":
            lines = marked
        elif shape == "groups":
            cut = len(self.person.tools)
            titles = pick(
                ("Software", "Strengths"), ("Tools", "Methods"), ("IT", "Professional"), ("Computer", "Other")
            )
            lines = [f"{titles[0]}: {', '.join(marked[:cut])}", f"{titles[1]}: {'; '.join(marked[cut:])}"]
        elif shape == "levels":
            levels = ["advanced", "basic", "expert", "good", "3/5", "certified 2017"]
            between = pick(" ({})", " – {}", ": {}")
            lines = [f"{self.bullet}{name}{between.format(pick(*levels))}" for name in marked]
        elif shape == "years":
            lines = [
                ", ".join(f"{name} ({pick('1 year', '2 years', '5 years', 'Less than 1 year')})" for name in marked)
            ]
        elif shape == "separators":
            lines = [pick(" | ", " · ", "; ", " / ", " • ").join(marked)]
        else:
            half = len(marked) // 2
            lines = [
                f"Proficient in {', '.join(marked[:half])}.",
                f"Good knowledge of {' and '.join(marked[half : half + 2])}.",
            ]
        return self.section("skills", lines)

    def languages(self) -> str:
        spoken = self.inventor.sample(LANGUAGES, self.inventor.pick(2, 3, 3, 4))
        shape = self.inventor.pick("{} ({})", "{} – {}", "{}: {}")
        levels = [shape.format(language, self.inventor.pick(*LANGUAGE_LEVELS)) for language in spoken]
        return self.section("languages", [", ".join(levels)] if self.inventor.chance(0.6) else self.bullets(levels))

    def certificates(self) -> str:
        names = self.inventor.sample(CERTIFICATES, self.inventor.pick(1, 2, 3))
        return self.section(
            "certificates", self.bullets([f"{name}, {self.inventor.rng.randint(2004, 2023)}" for name in names])
        )

    def interests(self) -> str:
        return self.section("interests", [", ".join(self.inventor.sample(INTERESTS, self.inventor.pick(2, 3, 4)))])

    def references(self) -> str:
        """Referees: their names, titles and addresses are theirs; the employer is the person's own."""
        inventor, lines = self.inventor, []
        for job in self.person.jobs[:2]:
            given, surname = inventor.given_name(), inventor.surname()
            company = tag(COMPANY, job.company.full)
            title = inventor.title(self.person.trade)
            lines.append(f"{inventor.pick('Dr. ', 'Ms ', 'Mr ', '')}{given} {surname}, {title}, {company}")
            lines.append(inventor.pick(inventor.email(given, surname), f"Tel. {inventor.phone()}"))
        return self.section("references", lines if inventor.chance(0.7) else ["Available on request"])

    def awards(self) -> str:
        inventor, latest = self.inventor, self.person.jobs[0]
        shapes = [
            f"Employee of the Year {latest.start // 12 + 1}, {tag(COMPANY, latest.company.short)}",
            f"Finalist, {inventor.stranger()} Prize, {inventor.rng.randint(2003, 2023)}",
            f"Second place in the {inventor.place()[0]} Marathon team event",
            f"Best poster at a congress in {inventor.city()}, {inventor.rng.randint(2003, 2023)}",
        ]
        return self.section("awards", self.bullets(inventor.sample(shapes, inventor.pick(1, 2))))

    def volunteering(self) -> str:
        inventor = self.inventor
        town = inventor.place()[0]
        shapes = [
            f"Volunteer with the {town} Food Bank since {inventor.rng.randint(2008, 2022)}",
            f"Coach of an under-12 football team in {inventor.city()}, every Saturday for two years",
            f"Treasurer of the {inventor.stranger()} Choir",
            f"Reading mentor at a school in {inventor.city()}",
        ]
        return self.section("volunteering", self.bullets(inventor.sample(shapes, inventor.pick(1, 2))))

    def publications(self) -> str:
        """Papers by the applicant and others; lists of authors carry no entity."""
        inventor, trade = self.inventor, self.person.trade
        entries = []
        for _ in range(inventor.pick(2, 3, 4)):
            authors = " & ".join(f"{inventor.surname()}, {inventor.pick(*'ABDEHJKLM')}." for _ in range(2))
            year, page = inventor.rng.randint(2001, 2023), inventor.rng.randint(9, 300)
            topic, journal = inventor.pick(*trade.projects), inventor.pick(*trade.fields)
            paper = f"{topic[0].upper()}{topic[1:]}. Journal of {journal}, {page}–{page + 11}."
            entries.append(f"{authors} ({year}). {paper}")
        return self.section("publications", self.bullets(entries))

    def declaration(self) -> str:
        rng, town = self.inventor.rng, tag(LOCATION, self.person.place[0])
        date = f"{rng.randint(1, 28):02}/{rng.randint(1, 12):02}/{LAST_YEAR}"
        return f"I hereby declare that the above is true.\nPlace: {town}\nDate: {date}\n({self.name()})"

    def extras(self, count: int) -> list[str]:
        """`count` of the sections that come last in a resume, in any order."""
        writers = [self.languages, self.certificates, self.interests, self.references, self.awards, self.volunteering]
        return [writer() for writer in self.inventor.sample(writers, count)]

    def capital_name(self) -> str:
        return upper(self.name()) if self.inventor.chance(0.4) else self.name()

    def titled_name(self) -> str:
        """The name, with what stands before or behind it and is no part of it."""
        shapes = [
            "Mr. {}",
            "Ms {}",
            "{}, MBA",
            "{}, PMP",
            "{} (she/her)",
            "{} - resume",
            "Curriculum vitae of {}",
            "Name: {}",
        ]
        shape = self.inventor.pick(*shapes) if self.inventor.chance(0.3) else "{}"
        return shape.format(self.capital_name())
