"""Sixteen ways to lay a resume out; training sees thirteen of them."""

from __future__ import annotations

from collections.abc import Callable

from scripts.sample_resumes.careers import LAST_YEAR
from scripts.sample_resumes.markup import COLLEGE, COMPANY, DEGREE, DESIGNATION, EMAIL, LOCATION, SKILL, an, tag
from scripts.sample_resumes.people import Job
from scripts.sample_resumes.prose import summary
from scripts.sample_resumes.sections import Page
from scripts.sample_resumes.trades import DATA, EDUCATION, HEALTH, SCIENCE, Trade

Blocks = list[str]

# First words of sentences that cannot follow "I".
NOT_AFTER_I = {"At", "Tools", "Since", "Hired", "Mentored"}


def chronological(page: Page) -> Blocks:
    """The classic: contact lines, profile, jobs, education, skills."""
    mark = page.inventor.pick("Email: ", "E-mail: ", "", "Mail ")
    contact = f"{page.street()}, {page.home()}\nPhone: {page.person.phone}\n{mark}{page.email()}"
    order = page.inventor.pick(
        [page.experience, page.education, page.skills],
        [page.skills, page.experience, page.education],
        [page.education, page.experience, page.skills],
    )
    profile = [page.summary(page.inventor.pick(2, 3, 4))] if page.inventor.chance(0.7) else []
    return [
        f"{page.titled_name()}\n{contact}",
        *profile,
        *(section() for section in order),
        *page.extras(page.inventor.pick(1, 2, 3)),
    ]


def functional(page: Page) -> Blocks:
    """Abilities first, with what was achieved by them; the jobs are a mere list."""
    duties = [duty for job in page.person.jobs for duty in job.duties]
    history = ["; ".join(page.job_lines(job)) for job in page.person.jobs]
    return [
        f"{page.name()}, {page.headline()}\n{page.home()} | {page.person.phone} | {page.email()}",
        page.summary(3),
        page.skills(),
        page.section("achievements", page.bullets(duties)),
        page.section("experience", page.bullets(history)),
        page.education(),
        *page.extras(1),
    ]


def job_board(page: Page) -> Blocks:
    """As a job board exports it: title and firm on lines of their own, hanging dashes, dates below."""
    latest = page.person.jobs[0]
    jobs = []
    for job in page.person.jobs:
        head = [tag(DESIGNATION, job.title), "", f"{tag(COMPANY, job.company.full)} -  {page.place(job.place)} -", ""]
        jobs.append("\n".join([*head, page.dates(job).replace(page.dash, " to "), "", *page.bullets(job.duties)]))
    studies = [
        f"{tag(DEGREE, study.degree)}\n\n"
        f"{tag(COLLEGE, study.college)} -  {page.place(study.place)}\n\n{page.study_years(study)}"
        for study in page.person.studies
    ]
    return [
        f"{page.name()}\n{page.headline()} - {tag(COMPANY, latest.company.full)}",
        f"{page.home()} - Email me: {page.email()}",
        ". ".join(summary(page.inventor, page.person, 2)) + ".",
        f"Willing to relocate to: {page.inventor.city()}"
        if page.inventor.chance(0.4)
        else f"Profile: {page.profile_link()}",
        "WORK EXPERIENCE",
        *jobs,
        "EDUCATION",
        *studies,
        page.skills(),
        *page.extras(page.inventor.pick(0, 1)),
    ]


def network_export(page: Page) -> Blocks:
    """As a professional network prints it: a side column first, firms above titles, durations, page numbers."""
    inventor, person = page.inventor, page.person
    jobs: Blocks = []
    for place, job in enumerate(person.jobs):
        months = (job.end or 12 * LAST_YEAR + 6) - job.start
        same_firm = place > 0 and person.jobs[place - 1].company == job.company
        head = [] if same_firm else [tag(COMPANY, job.company.full)]
        length = f"({months // 12} years {months % 12} months)" if months >= 24 else f"({months} months)"
        lines = [*head, tag(DESIGNATION, job.title), f"{page.dates(job)} {length}", page.place(job.place), *job.duties]
        jobs.append("\n".join(lines))
    studies = [
        f"{tag(COLLEGE, study.college)}\n"
        f"{tag(DEGREE, study.degree)} · ({study.start // 12} - {page.graduation(study)})"
        for study in person.studies
    ]
    top = [tag(SKILL, name) for name in page.skill_names()]
    return [
        f"Contact\n{page.email()}\n{page.profile_link()}",
        "Top Skills\n" + "\n".join(top[:6]),
        page.languages(),
        f"{page.name()}\n{page.headline()} at {tag(COMPANY, person.jobs[0].company.full)}\n{page.home()}",
        page.summary(inventor.pick(2, 3)),
        "Experience\n" + jobs[0],
        *jobs[1:],
        "Page 1 of 2",
        "Education\n" + "\n".join(studies),
        "Page 2 of 2",
    ]


def academic(page: Page) -> Blocks:
    """Degrees, appointments, papers, referees."""
    doctor = page.person.studies[0].degree.startswith(("Ph", "Do", "Dr"))
    return [
        f"CURRICULUM VITAE\n\n{'Dr. ' if doctor else ''}{page.name()}\n{page.email()}\n{page.home()}",
        page.education(),
        page.experience(),
        page.publications(),
        page.skills(),
        page.languages(),
        page.references(),
    ]


def mail(page: Page) -> Blocks:
    """A compact plain-text e-mail to somebody else, with the resume in its body."""
    inventor, person = page.inventor, page.person
    reader = inventor.stranger()
    jobs = [
        f"{page.dates(job)}, {tag(COMPANY, job.company.full)}, {tag(DESIGNATION, job.title)}: " for job in person.jobs
    ]
    told = [head + ". ".join(job.duties) + "." for head, job in zip(jobs, person.jobs, strict=True)]
    address = inventor.email(*reader.rsplit(" ", 1))
    number = inventor.rng.randint(11, 980)
    return [
        f"From: {page.name()} <{page.email()}>\nTo: {address}\nSubject: application, ref. {LAST_YEAR}/{number}",
        f"Dear {reader},",
        f"I am applying for the post of {inventor.title(person.trade)}. "
        f"I have {person.experience} of experience. My short CV:",
        *told,
        "Education: " + "; ".join(page.study(study).replace("\n", ", ") for study in person.studies),
        "Skills: " + ", ".join(tag(SKILL, name) for name in page.skill_names()),
        f"{inventor.pick('Kind regards', 'Best wishes', 'Sincerely')},\n{page.name()}\n{person.phone}, {page.home()}",
    ]


def table(page: Page) -> Blocks:
    """Rows and columns, drawn with tabs or bars."""
    bar = page.inventor.pick("\t", " | ", "\t\t")
    header = bar.join(
        page.inventor.pick(["Period", "Employer", "Position", "City"], ["Dates", "Firm", "Role", "Place"])
    )
    rows = [
        bar.join(
            [page.dates(job), tag(COMPANY, job.company.full), tag(DESIGNATION, job.title), tag(LOCATION, job.place[0])]
        )
        for job in page.person.jobs
    ]
    marks = bar.join(["Course", "Institute", "Year", "Result"])
    studies = [
        bar.join([tag(DEGREE, study.degree), tag(COLLEGE, study.college), page.graduation(study), study.grade])
        for study in page.person.studies
    ]
    details = [
        f"{tag(DESIGNATION, job.title)}, {tag(COMPANY, job.company.short)}:\n" + "\n".join(page.bullets(job.duties))
        for job in page.person.jobs
        if job.duties
    ]
    return [
        bar.join([page.name(), page.email(), page.person.phone]),
        page.section("experience", [header, *rows]),
        *details,
        page.section("education", [marks, *studies]),
        page.skills(),
        *page.extras(2),
    ]


def bulleted(page: Page) -> Blocks:
    """Nothing but bullets."""
    page.bullet = page.bullet or "• "
    sentences = summary(page.inventor, page.person, 4)
    jobs = ["\n".join([", ".join(page.job_lines(job)), *page.bullets(job.duties)]) for job in page.person.jobs]
    studies = [page.study(study).replace("\n", ", ") for study in page.person.studies]
    return [
        page.capital_name(),
        "\n".join(page.bullets([page.home(), page.email(), f"mobile {page.person.phone}"])),
        page.section("summary", page.bullets(sentences)),
        page.section("experience", [page.blank_lines.join(jobs)]),
        page.section("education", page.bullets(studies)),
        page.skills(),
        *page.extras(2),
    ]


def letter(page: Page) -> Blocks:
    """A life told in paragraphs."""
    person, pick = page.person, page.inventor.pick
    study, latest = person.studies[0], person.jobs[0]
    opening = (
        f"My name is {page.name()} and I live in {page.home()}. " + ". ".join(summary(page.inventor, person, 3)) + "."
    )
    studied = (
        f"I studied at {tag(COLLEGE, study.college)} in {tag(LOCATION, study.place[0])} and left it in "
        f"{page.graduation(study)} with {an(tag(DEGREE, study.degree))}."
    )
    told = []
    for job in person.jobs:
        when = f"From {job.start // 12} to {job.end // 12}" if job.end else f"Since {job.start // 12}"
        verb = "was" if job.end else "have been"
        told.append(
            f"{when} I {verb} {an(tag(DESIGNATION, job.title))} at {tag(COMPANY, job.company.full)} in "
            f"{tag(LOCATION, job.place[0])}. " + _first_person(job)
        )
    tools = ", ".join(tag(SKILL, tool) for tool in person.tools[:4])
    known = (
        f"I know {tools} and have practice in {tag(SKILL, person.practices[0])}. "
        f"All in all I bring {person.experience} of experience."
    )
    closing = (
        f"You can reach me at {page.email()} or on {person.phone}. "
        f"I would be glad to leave {tag(COMPANY, latest.company.short)} in spring."
    )
    return [opening, studied, *told, known, closing, f"{pick('Yours', 'With kind regards')}\n{page.name()}"]


def _first_person(job: Job) -> str:
    return " ".join(f"I {duty[0].lower()}{duty[1:]}." for duty in job.duties if duty.split()[0] not in NOT_AFTER_I)


def form(page: Page) -> Blocks:
    """Label, colon, value: the form that an office hands out."""
    person, rng = page.person, page.inventor.rng
    gap = page.inventor.pick(" : ", ": ", ":\t")
    rows = [
        ("Name", page.name()),
        ("Father's Name", page.inventor.stranger()),
        ("Date of Birth", f"{rng.randint(1, 28)} May {person.studies[-1].start // 12 - 18}"),
        ("Present Post", page.headline()),
        ("Total Experience", person.experience),
        ("E-mail", page.email()),
        ("Mobile", person.phone),
        ("Address", f"{page.street()}, {page.home()}"),
    ]
    if len(person.emails) > 1:
        rows.insert(6, ("Alternate E-mail", tag(EMAIL, person.emails[1])))
    return [
        page.inventor.pick("BIO-DATA", "RESUME", "Curriculum Vitae", "Application form"),
        "\n".join(f"{label}{gap}{value}" for label, value in rows),
        page.education(),
        page.experience(),
        page.skills(),
        *page.extras(1),
        page.declaration(),
    ]


def one_line(page: Page) -> Blocks:
    """Everything about the person in two lines, the rest close together."""
    bar = page.inventor.pick(" | ", " · ", " • ", " / ")
    return [
        page.capital_name() + "\n" + bar.join([page.headline(), page.home(), page.email(), page.person.phone]),
        page.summary(2),
        page.skills(),
        page.experience(),
        page.education(),
        *page.extras(page.inventor.pick(0, 1, 2)),
    ]


def consultant(page: Page) -> Blocks:
    """Projects for clients under each employer."""
    inventor, trade = page.inventor, page.person.trade
    blocks: Blocks = []
    for number, job in enumerate(page.person.jobs, start=1):
        tools = ", ".join(tag(SKILL, tool) for tool in job.tools)
        lines = [
            f"Project {number}: {inventor.pick(*trade.projects)}",
            f"Client: {inventor.client(trade, [held.company for held in page.person.jobs])}",
            f"Employer: {tag(COMPANY, job.company.full)}, {tag(LOCATION, job.place[0])}",
            f"Role: {tag(DESIGNATION, job.title)}",
            f"Duration: {page.dates(job)}",
            f"Environment: {tools}",
            *page.bullets(job.duties),
        ]
        blocks.append("\n".join(lines))
    return [
        f"{page.name()}\n{page.headline()}\n{page.home()}\n{page.email()}\nExperience: {page.person.experience}",
        page.summary(3),
        *blocks,
        page.education(),
        page.skills(),
        *page.extras(1),
    ]


def modest(page: Page) -> Blocks:
    """The barest: no profile, no skills, no e-mail address."""
    for job in page.person.jobs:
        job.tools, job.duties = [], [duty for duty in job.duties if SKILL not in duty]
    contact = f"{page.titled_name()}\n{page.street()}, {page.home()}\n{page.person.phone}"
    return [contact, page.education(), page.experience(), *page.extras(page.inventor.pick(1, 2))]


def markdown(page: Page) -> Blocks:
    """As a developer keeps it in a repository."""
    page.heading_shape, page.bullet = "## {}", "- "
    page.job_head = "**{title}**, *{company}* ({city}, {dates})"
    contact = f"> {page.home()} · <{page.email()}> · {page.profile_link()}"
    return [f"# {page.name()}", contact, page.summary(2), page.experience(), page.education(), page.skills()]


def dated_margin(page: Page) -> Blocks:
    """Dates in the margin, everything else indented behind them."""
    page.job_head = "{dates}\t{title}¶\t{company}, {place}"
    page.study_line = "{years}\t{degree}¶\t{college}, {place}"
    page.bullet = "\t- "
    rows = [
        ("Applicant", page.name()),
        ("E-mail", page.email()),
        ("Telephone", page.person.phone),
        ("City", page.home()),
    ]
    personal = "\n".join("\t".join(row) for row in rows)
    return [personal, page.experience(), page.education(), page.languages(), page.skills(), *page.extras(1)]


def paragraphs(page: Page) -> Blocks:
    """Every job a paragraph under a line in capitals."""
    jobs = [
        f"{tag(COMPANY, job.company.full.upper())}, {tag(LOCATION, job.place[0].upper())}\n"
        f"{tag(DESIGNATION, job.title)}, {page.dates(job)}. " + " ".join(f"{duty}." for duty in job.duties)
        for job in page.person.jobs
    ]
    return [
        page.capital_name(),
        f"{page.home()}, {page.person.phone}, {page.email()}",
        page.education(),
        *jobs,
        page.skills(),
        *page.extras(1),
    ]


# Layouts that only some trades use.
TRADES_OF: dict[Callable[[Page], Blocks], list[Trade]] = {academic: [SCIENCE, SCIENCE, DATA, HEALTH, EDUCATION]}

LAYOUTS: list[Callable[[Page], Blocks]] = [
    chronological,
    functional,
    job_board,
    network_export,
    academic,
    mail,
    table,
    bulleted,
    letter,
    form,
    one_line,
    consultant,
    modest,
]
UNSEEN_LAYOUTS: list[Callable[[Page], Blocks]] = [markdown, dated_margin, paragraphs]
