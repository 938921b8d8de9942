"""Sentences about work: a small grammar whose slots are filled from the trade, the job and the vocabulary.

A tool that the person uses is marked wherever it stands, and so are towns and the person's own employer. Other people,
their titles, clients, abilities named in passing, years and periods are left unmarked: they are there to be confused.
"""

from __future__ import annotations

from scripts.sample_resumes.markup import COMPANY, DESIGNATION, LOCATION, SKILL, an, plain, tag
from scripts.sample_resumes.people import Company, Inventor, Job, Person
from scripts.sample_resumes.trades import TRADES, Trade
from scripts.sample_resumes.vocabulary import phrases


def _lines(text: str) -> list[str]:
    """One phrase a line."""
    return [line.strip() for line in text.strip().splitlines()]


# (past, present)
LEAD = [("Led", "Lead"), ("Coordinated", "Coordinate"), ("Oversaw", "Oversee"), ("Managed", "Manage")]
BUILD = [
    ("Built", "Build"),
    ("Set up", "Set up"),
    ("Planned", "Plan"),
    ("Introduced", "Introduce"),
    ("Designed", "Design"),
    ("Launched", "Launch"),
    ("Prepared", "Prepare"),
    ("Organised", "Organise"),
    ("Documented", "Document"),
]
LOWER = [("Cut", "Cut"), ("Reduced", "Reduce"), ("Lowered", "Lower"), ("Brought down", "Bring down")]
RAISE = [("Raised", "Raise"), ("Increased", "Increase"), ("Improved", "Improve"), ("Lifted", "Lift")]
RUN = [
    ("Handled", "Handle"),
    ("Took care of", "Take care of"),
    ("Ran", "Run"),
    ("Was in charge of", "Am in charge of"),
    ("Looked after", "Look after"),
    ("Supported", "Support"),
    ("Took over", "Take over"),
]
TEACH = [("Trained", "Train"), ("Coached", "Coach"), ("Instructed", "Instruct"), ("Tutored", "Tutor")]
VERBS = {"lead": LEAD, "build": BUILD, "lower": LOWER, "raise": RAISE, "run": RUN, "teach": TEACH}

SENTENCES = _lines("""
    {build} {project} {with_tool}
    {build} {project}, {effect}
    {build} {project} {context}
    {build} {project} together with {number} {colleagues}
    {build} {project} and {project2} {context}
    {build} {project} in place of the old one, {effect}
    {lead} {a_team} {context}
    {lead} {a_team} and {run_too} {routine}
    {lead} {project} from the first idea to the handover
    {lead} {a_team} with responsibility for {routine} and {routine2}
    {lower} {lowered} {measure} {means}
    {lower} {lowered} {measure}
    {lower} {lowered} {measure} {context}
    {lower} both {lowered} and {lowered2} {means}
    {raise} {raised} {measure} {means}
    {raise} {raised} {measure} {context}
    {raise} {raised} {measure} while {lowered} stayed the same
    {run} {routine} {context}
    {run} {routine} and {routine2}
    {run} {routine}, {routine2} and reports {with_tool}
    {run} all {routine} except those of the {city} office
    {teach} {number} {colleagues} in {practice}
    {teach} {colleagues} in the use of {tool}
    {teach} {colleagues} on {practice} and {practice2}
    {teach} new {colleagues} {context}
    {teach} {number} {colleagues}, two of whom lead teams today
    {build} {project} for {number} {colleagues} {context}
    {build} {project} after {client} had withdrawn
    {run} {routine} for {number} {colleagues} {with_tool}
    {run} {routine} so that {lowered} fell {measure}
    {raise} {raised} and {raised2} {measure}
    {lead} the switch to {tool} {context}
    {lead} weekly meetings with {colleagues} on {routine} and {practice}
    {build} checklists for {routine} {with_tool}
    {lower} {lowered} {measure}, {effect}
    {build} a small team for {practice} {context}
    {run} questions from {colleagues} about {routine}
    {lead} the work on {project} {context}, {effect}
    {build} {project}: {routine} and {routine2} now take half the time
    {raise} {raised} at {company} {measure}
""")
ASIDES = _lines("""
    Reported to the {other_title} and {run_past} {routine}
    Worked closely with {stranger}, {other_title}, on {project}
    Stood in for the {other_title} for {period}
    Worked with {client}, {relation}, on {project}
    Moved {routine} from {tool2} to {tool} in {year}
    Kept {routine} going when {client} took over the business in {year}
    Visited {relations} in {city} and {city2} every month
    Opened the new branch in {city} with {number} {colleagues}
    At {company}, {share} of my time went into {routine}
    Gave a talk on {practice} in {city} ({year})
    Had access to confidential files and {run_past} {routine}
    Went the extra mile for {colleagues} and {lower_past} {lowered} {measure}
    Wrote {number} work instructions on {practice}
    Won the internal award for {practice} in {year}
    Tools used: {tool}, {tool2}
    Helped the manager of the {city} office with {routine}
    Spoke for {company} at two trade fairs in {city}
    Sat on the committee that chose {other_tool} for another department
    Liaised with {client}, whose own staff installed {other_tool}
    Joined as one of {number} {colleagues} when {company} came to {city}
    Hired by {stranger} to bring order into {routine}
    Stayed with {company} through two changes of owner
    Since {year} also in charge of {routine}, until then the task of {a_other_title}
    Mentored by {stranger}, then {other_title} at {client}
    Took part in a two-year programme on {practice} run by {client}
    Wrote the {year} report on {routine} for the owners of {company}
""")

MEASURES = phrases("""
    by 12 %; by a third; by 23% within two years; by about 40 %; by 8 percent in one year; by 15%; by two thirds
    between {year} and {year_after}; by 31 % on a year earlier; by roughly a quarter; by 6.5 %; step by step; for three
    years in a row; every year from {year} on; by > 20 %; noticeably; by 9 percentage points
""")
MEANS = phrases("""
    by introducing weekly reviews; with clear rules for handovers; after an audit; through better planning; with
    the help of two working students; by moving the work to {tool}; with checks in {tool}; without additional staff;
    by asking {colleagues} first; by keeping a simple log; with a pilot in {city}; through {practice}; by talking to
    {colleagues} every morning; by giving up {routine}; at the request of {client}
""")
CONTEXTS = phrases("""
    across three sites; for the {city} office; for clients such as {client}; for {client}, {relation}; at short
    notice; on a budget of € 250,000; under a two-year contract; during the merger with {client}; for {company}; in
    the {city} and {city2} branches; within six months; with hardly any budget; from {year} on; day and night; in
    the busiest season; in English and German; alone for the first {period}; in two languages
""")
EFFECTS = phrases("""
    which saved 30 hours a month; used by 120 {colleagues} today; finished two weeks early; still the standard at
    {company}; adopted by all five branches; on time and within budget; praised by the {other_title}; later copied
    by {client}; first tried in {city}; which the auditors of {client} approved; planned for one year and done in nine
    months; now in its third year; with room for R&D and Q&A sessions
""")
WITH_TOOL = phrases("""
    with {tool}; in {tool}; using {tool} and {tool2}; with the help of {tool}; via {tool}; in {tool} and {tool2};
    from a distance; by the book; with simple means
""")
RELATIONS = phrases("our largest customer; a supplier; a competitor at the time; the parent company; a partner agency")
GROUPS = phrases("customers; suppliers; partner firms; our subcontractors; the inspectors")
PERIODS = phrases("two years; 18 months; half a year; three seasons; 3 years; eleven months")


def duties(inventor: Inventor, trade: Trade, jobs: list[Job], job: Job, count: int, told: set[str]) -> list[str]:
    """`count` marked sentences about one of a person's `jobs`, none of them in `told`, which they join."""
    employers = [held.company for held in jobs]
    sentences: list[str] = []
    while len(sentences) < count:
        sentence = _sentence(inventor, trade, employers, job)
        if plain(sentence) not in told:
            told.add(plain(sentence))
            sentences.append(sentence)
    return sentences


def _sentence(inventor: Inventor, trade: Trade, employers: list[Company], job: Job) -> str:
    """One sentence of the grammar; slots of slots are filled in a second pass."""
    pick = inventor.pick
    routines = inventor.sample(trade.routines, 2)
    practices = inventor.sample(trade.practices, 2)
    tools = inventor.sample(job.tools, 2)
    lowered = inventor.sample(trade.lowered, 2)
    raised = inventor.sample(trade.raised, 2)
    projects = inventor.sample(trade.projects, 2)
    year = inventor.rng.randint(job.start // 12, (job.end or job.start + 24) // 12)
    tense = 1 if job.end is None else 0
    slots = {name: pick(*verbs)[tense] for name, verbs in VERBS.items()}
    slots |= {f"{name}_too": pick(*verbs)[tense].lower() for name, verbs in VERBS.items()}
    slots |= {f"{name}_past": pick(*verbs)[0].lower() for name, verbs in VERBS.items()}
    slots |= {
        "project": projects[0],
        "project2": projects[1],
        "routine": routines[0],
        "routine2": routines[1],
        "lowered": lowered[0],
        "lowered2": lowered[1],
        "raised": raised[0],
        "raised2": raised[1],
        "colleagues": pick(*trade.colleagues),
        "practice": practices[0],
        "practice2": practices[1],
        "tool": inventor.skill(tools[:1]),
        "tool2": inventor.skill(tools[1:]),
        "other_tool": pick(*pick(*TRADES).tools[::4]),
        "other_title": inventor.title(trade),
        "a_other_title": an(inventor.title(trade)),
        "stranger": inventor.stranger(),
        "client": inventor.client(trade, employers),
        "company": tag(COMPANY, job.company.short),
        "relation": pick(*RELATIONS),
        "relations": pick(*GROUPS),
        "city": inventor.city(),
        "city2": inventor.city(),
        "number": pick("three", "four", "12", "25", "six", "40", "two"),
        "a_team": f"a team of {pick('three', 'five', '14', '22', 'eight', '9')} {pick(*trade.colleagues)}",
        "year": str(year),
        "year_after": str(year + 1),
        "period": pick(*PERIODS),
        "measure": pick(*MEASURES),
        "share": pick("half", "most", "about a third", "60 %"),
        "means": pick(*MEANS),
        "context": pick(*CONTEXTS),
        "effect": pick(*EFFECTS),
        "with_tool": pick(*WITH_TOOL),
    }
    sentence = pick(*(ASIDES if inventor.chance(0.3) else SENTENCES))
    return sentence.format(**slots).format(**slots)


OPENINGS = phrases("""
    {title} with {experience} of experience in {skill} and {skill2}; {experience} of experience as {a_title}, most
    recently at {company}; Reliable {title} who brings {experience} of professional experience; I am {a_title} and
    have worked in the field for {experience}; Hands-on professional with more than {experience} in the business,
    the last of them at {company}; Total experience: {experience}, mainly in {skill}; {title} based in {home},
    {experience} in the trade; After {experience} in this profession I know what {colleagues} need; {title} at
    {company}, with over {experience} of practice; Experienced {title}
""")
CLAIMS = phrases("""
    Proficient in {tool}, {tool2} and {tool3}; Strong in {skill} and {skill2}, with working knowledge of {tool};
    Daily user of {tool}; My strengths are {skill}, {skill2} and {tool}; Skilled in {skill} and {tool}; At home in
    {skill} and {tool}; Solid command of {tool} and {tool2}; Good knowledge of {tool}, {tool2} as well as {skill}
""")
CLOSINGS = phrases("""
    Known for calm judgement in busy weeks; Looking for a position as {other_title} in {city}; Now seeking the role
    of {other_title}; Willing to relocate to {city} or {city2}; Took two years off to raise three children; Used to
    reporting to the {other_title}; Able to excel when a plan has to change overnight; Ready to spark new ideas in
    a team of 12; The outlook of a five-year project appeals to me; Highly motivated and quick to learn; Open to
    remote work; 34 years old, with a full driving licence; Available within 3 months; Career goal: {other_title}
""")


def summary(inventor: Inventor, person: Person, count: int) -> list[str]:
    """At most four marked sentences that sum a person up."""
    pick, job = inventor.pick, person.jobs[0]
    tools = inventor.sample(person.tools, 3)
    practices = inventor.sample(person.practices, 2)
    slots = {
        "title": tag(DESIGNATION, job.title),
        "a_title": an(tag(DESIGNATION, job.title)),
        "other_title": inventor.title(person.trade),
        "experience": person.experience,
        "company": tag(COMPANY, job.company.short),
        "colleagues": pick(*person.trade.colleagues),
        "home": tag(LOCATION, person.place[0]),
        "city": inventor.city(),
        "city2": inventor.city(),
        "skill": tag(SKILL, practices[0]),
        "skill2": tag(SKILL, practices[1]),
        "tool": tag(SKILL, tools[0]),
        "tool2": tag(SKILL, tools[1]),
        "tool3": tag(SKILL, tools[2]),
    }
    sentences = [pick(*OPENINGS), pick(*CLAIMS), *inventor.sample(CLOSINGS, 2)]
    return [_capital(sentence.format(**slots)) for sentence in sentences[:count]]


def _capital(markup: str) -> str:
    """Begin with a capital: `⟦label|twelve years⟧ …` becomes `⟦label|Twelve years⟧ …`."""
    first = markup.index("|") + 1 if markup.startswith("⟦") else 0
    return markup[:first] + markup[first].upper() + markup[first + 1 :]
