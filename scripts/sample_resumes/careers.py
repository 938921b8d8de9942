"""Invented lives: which degrees and which jobs follow each other in one person's resume."""

from __future__ import annotations

from scripts.sample_resumes.markup import EXPERIENCE, tag
from scripts.sample_resumes.people import Company, Inventor, Job, Person, Study
from scripts.sample_resumes.prose import duties
from scripts.sample_resumes.trades import EDUCATION, SCIENCE, Trade
from scripts.sample_resumes.vocabulary import phrases

LAST_YEAR = 2025

FIRST_DEGREES = phrases("""
    Bachelor of Science in {}; B.Sc. {}; BSc (Hons) {}; B.A. in {}; Bachelor of {}; B.Tech. ({}); B.E. in {};
    Bachelor's degree in {}; Diploma in {}; Licence {}; BA {}; Associate of Applied Science in {}; Higher National
    Diploma in {}; Laurea in {}; B.S., {}; Bachelor of Arts ({})
""")
SECOND_DEGREES = phrases("""
    Master of Science in {}; M.Sc. {}; MSc in {}; M.A. {}; Master of {}; M.Tech in {}; MBA; Executive MBA; Master
    of Business Administration; M.S. in {}; Postgraduate Diploma in {}; Magister {}; Master's degree, {}; Diplom
    ({})
""")
DOCTORATES = phrases("Ph.D. in {}; PhD {}; Doctor of Philosophy in {}; Dr. rer. nat. ({}); Doctorate in {}")
SCHOOL_DEGREES = phrases("""
    High School Diploma; A-Levels; Abitur; Higher Secondary Certificate; Matura; Baccalauréat général; GCE Advanced
    Level; Senior Secondary (Class XII)
""")
GRADES = phrases("first class; GPA 3.7/4.0; 67%; distinction; 2:1; 1.8; CGPA 8.2; honours; 71.5 %; upper second")
UNIVERSITY_TITLES = phrases("""
    Graduate Teaching Assistant; Student Assistant; Lecturer; Research Assistant; Visiting Lecturer; Faculty
    Administrator
""")
NOTES = phrases("part-time; contract; full-time; fixed term; permanent; maternity cover; freelance; temporary")
NUMBERS = phrases("""
    zero; one; two; three; four; five; six; seven; eight; nine; ten; eleven; twelve; thirteen; fourteen; fifteen;
    sixteen; seventeen; eighteen; nineteen; twenty
""")

TENS = phrases("none; ten; twenty; thirty; forty; fifty; sixty; seventy; eighty; ninety")


def invent_person(inventor: Inventor, trade: Trade, job_count: int, duty_count: int) -> Person:
    """Invent one person of `trade` with `job_count` jobs, and `duty_count` sentences about them in all."""
    rng = inventor.rng
    given, surname = inventor.given_name(), inventor.surname()
    studies = _studies(inventor, trade, career=2 * job_count)
    tools = inventor.tools(trade, rng.randint(4, 7))
    jobs = _jobs(inventor, trade, studies, tools, job_count)
    told: set[str] = set()
    for place, job in enumerate(jobs):
        share = duty_count // len(jobs) + (place < duty_count % len(jobs))
        job.duties = duties(inventor, trade, jobs, job, share, told)
    return Person(
        trade=trade,
        name=f"{given} {surname}",
        emails=[inventor.email(given, surname) for _ in range(inventor.pick(1, 1, 1, 1, 2))],
        phone=inventor.phone(),
        place=jobs[0].place if inventor.chance(0.5) else inventor.place(),
        jobs=jobs,
        studies=studies,
        tools=tools,
        practices=inventor.sample(trade.practices, rng.randint(2, 5)),
        experience=_experience(inventor, LAST_YEAR - jobs[-1].start // 12),
    )


def _studies(inventor: Inventor, trade: Trade, career: int) -> list[Study]:
    """One to three degrees, the latest first."""
    rng = inventor.rng
    ladder = [FIRST_DEGREES]
    if inventor.chance(0.45) or trade is SCIENCE:
        ladder.append(SECOND_DEGREES)
    if trade is SCIENCE and inventor.chance(0.6):
        ladder.append(DOCTORATES)
    if inventor.chance(0.35):
        ladder.insert(0, SCHOOL_DEGREES)
    year = max(1984, LAST_YEAR - career - 3 * len(ladder) - rng.randint(0, 9))
    college, studies = inventor.college(), []
    for degrees in ladder:
        length = 3 if degrees is FIRST_DEGREES else 2
        at_school = degrees is SCHOOL_DEGREES
        if inventor.chance(0.7):
            college = inventor.college()
        studies.append(
            Study(
                degree=inventor.pick(*degrees).format(inventor.pick(*trade.fields)),
                college=inventor.school() if at_school else college,
                place=inventor.place(),
                start=12 * year + 8,
                end=12 * (year + length) + inventor.pick(5, 5, 6, 8),
                grade=inventor.pick(*GRADES),
            )
        )
        year += length + rng.randint(0, 1)
    return studies[::-1]


def _jobs(inventor: Inventor, trade: Trade, studies: list[Study], tools: list[str], count: int) -> list[Job]:
    """`count` jobs, the latest first, with gaps, promotions, internships and second spells at one employer."""
    rng = inventor.rng
    first = studies[0].end + rng.randint(1, 5)
    months = max(4 * count, 12 * LAST_YEAR - first)
    shares = [rng.uniform(0.4, 1.6) for _ in range(count)]
    jobs: list[Job] = []
    for place, share in enumerate(shares):
        start = round(months * sum(shares[:place]) / sum(shares))
        length = max(2, round(months * share / sum(shares) * rng.uniform(0.8, 1)))
        company = jobs[-1].company if jobs and inventor.chance(0.15) else _employer(inventor, trade, studies)
        starting = place == 0 and inventor.chance(0.4)
        at_college = company.full in {study.college for study in studies}
        title = inventor.first_title(trade) if starting else inventor.title(trade)
        if at_college:
            title = inventor.pick(*UNIVERSITY_TITLES)
        jobs.append(
            Job(
                title=title,
                company=company,
                place=jobs[-1].place if jobs and jobs[-1].company == company else inventor.place(),
                start=first + start,
                end=first + start + length,
                note=inventor.pick(*NOTES) if inventor.chance(0.2) else "",
                promoted_from=inventor.title(trade) if not starting and inventor.chance(0.12) else None,
                tools=inventor.sample(tools, rng.randint(2, 4)),
            )
        )
    if inventor.chance(0.6):
        jobs[-1].end = None
    return jobs[::-1]


def _employer(inventor: Inventor, trade: Trade, studies: list[Study]) -> Company:
    """A firm; among scholars and teachers often a college, not seldom the one where they studied."""
    if inventor.chance(0.6 if trade in (SCIENCE, EDUCATION) else 0.08):
        college = studies[0].college if inventor.chance(0.5) else inventor.college()
        return Company(college, college)
    return inventor.company(trade)


def _experience(inventor: Inventor, years: int) -> str:
    """How long somebody has worked, as a marked amount with its unit, in figures or in words."""
    if years < 2:
        return tag(EXPERIENCE, f"{inventor.rng.randint(8, 22)} months")
    word, months = _in_words(years), inventor.rng.randint(2, 11)
    shapes = [f"{years} years", f"{years} years", f"{years}+ years", f"{years}.5 years", f"{years} yrs"]
    shapes += [f"{word} years", f"{word} years", f"{word} ({years}) years", f"{years} years and {months} months"]
    return tag(EXPERIENCE, inventor.pick(*shapes))


def _in_words(number: int) -> str:
    """A number below a hundred: `twelve`, `twenty-three`."""
    if number <= 20:
        return NUMBERS[number]
    tens, ones = divmod(number, 10)
    return f"{TENS[tens]}-{NUMBERS[ones]}" if ones else TENS[tens]
