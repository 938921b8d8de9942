"""Parts of names, places, firms and colleges, and which of them training may see.

Every fourth entry of a divided list is held out: it serves validation and test alone, so that names, firms, colleges
and places there cannot have been learned by heart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def phrases(text: str) -> list[str]:
    """Split at semicolons; line breaks inside `text` are only layout."""
    return [" ".join(phrase.split()) for phrase in text.split(";")]


def words(text: str) -> list[str]:
    """Split at blanks and line breaks."""
    return text.split()


def _places(text: str) -> list[tuple[str, str]]:
    return [(town, region) for town, region in (phrase.split("/") for phrase in phrases(text))]


GIVEN_NAMES = words("""
    Amelia Arjun Astrid Austin Beatriz Benedikt Brooklyn Camille Carlos Chelsea Chidi Dalia Dallas Daniel Deepa
    Dmitri Elif Elodie Emeka Erik Esther Fatima Feng Femke Florence Gareth Geneva Giulia Gonzalo Grace Hamid Hanna
    Haruka Henk Ibrahim Ines Ingrid Isabel Ivan Jackson Jasmin Joanna Johan José Joyce Julien Kaito Karin Kavya
    Kemal Kofi Kristýna Lachlan Laila Lars Leila Lina Lincoln Lucía Madison Magdalena Mai Malik Mansi Marek
    Margarethe Mateusz Meera Milan Mohammed Nadia Naomi Nikhil Nils Noor Olga Oluwaseun Oskar Paris Patrick Paulo
    Petra Phoenix Priya Rachel Rafael Rahul Renée Robert Rosa Samir Santiago Savannah Sean Siobhán Sofia Søren
    Stephen Sunita Sydney Tamara Teresa Thi Thomas Tomás Ursula Valentina Victor Victoria Vikram Wanjiru Wei
    Wojciech Xavier Yusuf Zanele Zoë Zuzana
""")

# Several surnames are also towns: a label must come from the context.
SURNAMES = words("""
    Aalto Abernethy Abiodun Achterberg Adebayo Aguilar Akhtar Alvarado Ambrose Andersson Asante Ashdown Bajwa
    Balogun Banerjee Barros Baumgartner Beaumont Belfast-Reid Bellandi Berlin Bhatt Bianchi Bjørnstad Blackwood
    Bolton Borkowski Bouchard Brightwell Bristol Brzezińska Calloway Carvalho Castellano Chandrasekar Chester
    Chowdhury Cordova Cortez Czerny D'Angelo D'Souza Dąbrowski Delacroix Derby Deshpande Diallo Dimitrov Drăgan
    Durand Duckworth Edwards Eriksen Espinoza Fairbanks Farouk Fernandes Fitzgerald Fontaine Forsberg Frankfurt
    Fujimoto Galvão Ganesan García-Ruiz Gebhardt Gill Goldstein Gomes Grabowska Gunawardena Haddad Hakimi Halvorsen
    Hamburg Hashimoto Hawthorne Henriksen Hernández Hightower Hofstetter Horváth Houston Iglesias Ismail Ivanova
    Iyer Jankowski Jasper Jefferson Jensen Jovanović Kamau Kapoor Karlsson Kavanagh Kent Khatri Kimathi Kovács
    Krishnan Kuznetsov Lafleur Lancaster Lehmann León Lindqvist London Lopes Mahlangu Maddox Mancini Martínez
    McAllister McPherson Medina Mehta Mensah Milano Mishra Moreau Müller Mwangi Nakamura Natarajan Ng-Thompson Ngo
    Nielsen Novák Nwosu O'Brien O'Connell O'Dowd Oyelaran Okonkwo Olsson Orlando Osei Özdemir Paterson Pereira
    Petrov Phiri Pillai Pinheiro Preston Quintero Radcliffe Rahman Ramaswamy Rasmussen Rautio Reyes Richter Rinaldi
    Romano Rosenthal Rossi Saint-Clair Sandoval Santoro Schröder Sethi Sharifi Siddiqui Silva Smit Soto Stewart
    Subramaniam Svensson Szabó Takahashi Tembo Thapa Thornbury Toledo Tran Tremblay Uchida Valencia Van-Dijk
    Vasquez Venkatesh Vogt Vuković Wachira Washington Weber Whitaker Wiśniewski Woldemariam Yamada Yeo York Yıldız
    Zając Zamora Zeller Zhukov
""")

# (town, region or country): the region follows the town in some layouts and is never part of the entity.
CITIES = _places("""
    Lyon/France; Pune/Maharashtra; Austin/TX; Leeds/UK; Graz/Austria; Porto/Portugal; Kraków/Poland;
    Dublin/Ireland; Hyderabad/Telangana; Denver/CO; Utrecht/Netherlands; Ghent/Belgium; Nagpur/Maharashtra;
    Sydney/NSW; Lincoln/UK; Chennai/Tamil Nadu; Florence/Italy; Toronto/Ontario; Nairobi/Kenya; Malmö/Sweden;
    Leipzig/Germany; Bristol/UK; Coimbatore/Tamil Nadu; Phoenix/AZ; Cork/Ireland; Accra/Ghana; Valencia/Spain;
    Aarhus/Denmark; Lagos/Nigeria; Portland/OR; Kochi/Kerala; Milan/Italy; Bergen/Norway; Montréal/Québec;
    Mumbai/Maharashtra; Houston/TX; York/UK; Vienna/Austria; Izmir/Turkey; Osaka/Japan; Jaipur/Rajasthan;
    Tampere/Finland; Santiago/Chile; Zürich/Switzerland; New Delhi/Delhi; Geneva/Switzerland; São Paulo/Brazil;
    Cape Town/South Africa; Brno/Czechia; Madison/WI; Ahmedabad/Gujarat; Bologna/Italy; Wrocław/Poland;
    Lancaster/PA; Cardiff/Wales; Córdoba/Argentina; Mysore/Karnataka; Victoria/BC; Salt Lake City/UT;
    Bordeaux/France; Preston/UK; Kolkata/West Bengal; Turin/Italy; Tallinn/Estonia; Bengaluru/Karnataka; San
    Diego/CA; Derby/UK; Rotterdam/Netherlands; Noida/Uttar Pradesh; Hamburg/Germany; Savannah/GA; Nantes/France;
    Indore/Madhya Pradesh; Chester/UK; Buenos Aires/Argentina; Basel/Switzerland; Edinburgh/Scotland; Boston/MA;
    Chicago/IL; Seattle/WA; Atlanta/GA; Dallas/TX; Miami/FL; Manchester/UK; Liverpool/UK; Glasgow/Scotland;
    Birmingham/UK; Nottingham/UK; Oxford/UK; Norwich/UK; Belfast/UK; Galway/Ireland; Paris/France;
    Marseille/France; Toulouse/France; Lille/France; Berlin/Germany; Munich/Germany; Cologne/Germany;
    Dresden/Germany; Stuttgart/Germany; Bremen/Germany; Salzburg/Austria; Linz/Austria; Bern/Switzerland;
    Madrid/Spain; Seville/Spain; Bilbao/Spain; Lisbon/Portugal; Braga/Portugal; Rome/Italy; Naples/Italy;
    Palermo/Italy; Verona/Italy; Warsaw/Poland; Gdańsk/Poland; Poznań/Poland; Prague/Czechia; Budapest/Hungary;
    Vilnius/Lithuania; Riga/Latvia; Helsinki/Finland; Turku/Finland; Stockholm/Sweden; Uppsala/Sweden; Oslo/Norway;
    Trondheim/Norway; Copenhagen/Denmark; Odense/Denmark; Antwerp/Belgium; Leiden/Netherlands;
    Eindhoven/Netherlands; Athens/Greece; Istanbul/Turkey; Ankara/Turkey; Cairo/Egypt; Mombasa/Kenya;
    Kampala/Uganda; Abuja/Nigeria; Kumasi/Ghana; Durban/South Africa; Johannesburg/South Africa; Bhopal/Madhya
    Pradesh; Lucknow/Uttar Pradesh; Surat/Gujarat; Patna/Bihar; Gurgaon/Haryana; Vadodara/Gujarat; Colombo/Sri
    Lanka; Kathmandu/Nepal; Dhaka/Bangladesh; Kyoto/Japan; Melbourne/Victoria; Perth/WA; Brisbane/Queensland;
    Auckland/New Zealand; Vancouver/BC; Calgary/Alberta; Ottawa/Ontario; Halifax/NS; Bogotá/Colombia; Lima/Peru;
    Monterrey/Mexico; Guadalajara/Mexico; Recife/Brazil; Montevideo/Uruguay; Rosario/Argentina; Columbus/OH;
    Pittsburgh/PA; Minneapolis/MN; Sacramento/CA; Tucson/AZ
""")

# Invented towns; colleges, hospitals and councils are named after them.
TOWNS = _places("""
    Harrowmere/UK; Varnholt/Germany; Port Aldine/ME; Kestrova/Poland; Brackwater/UK; San Berello/Italy;
    Tolvanna/Finland; Ostrelle/France; Eskelund/Denmark; Marrenfield/OH; Bad Ellern/Germany; Nova Tarsa/Portugal;
    Rajnandpur/Bihar; Silverden/UK; Lake Corran/MN; Saint-Orvin/France; Pelhamstead/UK; Chandravati/Gujarat; Vila
    Serena/Brazil; Upper Fenwold/UK; Grønsund/Norway; Calder Falls/NY; Sömmerau/Austria; Dunmorrow/Ireland;
    Almarosa/Spain; Wexcombe/UK; Kuvempur/Karnataka; Zlatnica/Czechia; Eastmoor/PA; Ravenna Springs/CO;
    Mbalani/Kenya; Oderbrück/Germany; Castel Moro/Italy; Tarrington/VA; Sundarkot/Assam; Fjellvik/Norway; New
    Ambry/NJ; Hollowbridge/UK; Montclare/Québec; Aravalli Nagar/Rajasthan; Stennard/UK; Puerto Lirio/Chile;
    Westering/IL; Linnasaari/Finland; Cray's Landing/OR; Okeford/Ghana; Beldorf/Switzerland; Villanorte/Spain;
    Thornaby Cross/UK; Madurampet/Tamil Nadu; Glenharrow/Scotland; Kirkenäs/Sweden; Pinebluff Heights/GA;
    Velsdorp/Netherlands; Quarrymouth/Wales; Amberley Park/NSW; Tiszavár/Hungary; Rosedowns/TX; Lakhanpura/Punjab;
    Steinau am Wald/Germany
""")

# More invented towns: each beginning with each ending.
TOWN_BEGINNINGS = words("""
    Alder Ash Bar Birch Black Bram Brook Cald Carn Clay Cope Cran Dale Dun East Elm Fal Farn Fern Gar Glen Gran Hart
    Hazel High Hol Kel Kings Lang Lark Lin Lock Mar Mel Mill Nether North Oak Old Otter Pen Pine Quarr Raven Red Ring
    Rose Sand Shel South Stan Stone Sud Thorn Tor Ulver Wake Wal West White Wil Win Wood Wyn Yar
""")
TOWN_ENDINGS = words("""
    beck borough bourne bridge burg bury by caster cliffe combe dorf field ford fors gate grove ham haven heim hurst
    ingen lake leigh low mere mond moor mouth nes port rup sele stead stock thorpe ton vale vik ville wald wick worth
""")
REGIONS = phrases(
    "UK; PA; Ireland; Ontario; NSW; Scotland; VA; OH; Wales; NJ; Germany; Denmark; MI; Sweden; New Zealand"
)

COMPANY_STEMS = words("""
    Quillon Norvex Brixel Talvora Ambrix Zentaro Ostara Kelvane Corvanta Lumiro Fendral Halvix Pyrenna Stratheon
    Ovelle Marlux Trivanta Aquorin Belcastra Nimbera Solvigo Calyptra Dravenor Exalor Gantrix Hexaline Ilvara
    Jorvent Kymera Lathwell Meridexa Nordlane Orbiqua Palantex Quorvia Relvane Sartorex Tesselon Umbriq Vantrell
    Wolfram-Dey Xelora Yarrowdale Zephrine Alderstone Brightloop Copperleaf Driftwood Emberton Foxglove Greywater
    Hearthside Ironbark Juniper Kingfisher Larkspur Millrace Nightjar Oakhollow Peregrine Quickset Redfern
    Saltmarsh Thistledown Underhill Vellum Whitethorn Yewtree Bluefinch Cloudberry Damson Evergrain Fernwick
    Goldcrest Heronsgate Inkwell Jaybird Kestrel Longacre Moorland Northgate Otterburn Plumtree Quarrystone
    Riverbend Sandpiper Teasel Upland Vinehall Wagtail Zinnia Ardenova Bexley-Orr Caldora Dunlark Elmhollow Fintara
    Glowmere Hadroth Isolde Jarrow Klarvik Lanterna Mistral-Hay Novaspire Oakrise Pomander Quintessa Rookwood
    Silvertree Tamarind Ulverton Veridane Willowmark Xanadine Yondera Zircona Amberjack Birchall Coralline Dovetail
    Elderflower Flintlock Gorsedale Hazelwick Ivyline Jackdaw Knotgrass Limewater Marigold Nettlebed Osprey-Lane
    Puddlestone Quailbrook Rosehip Snowberry Tidewater Undercliff Violetta Weatherby Yellowhammer Ashgrove
    Barleycorn Cinderhill Duskwater
""")

# Firms and products share these words with skills: "Python Freight" is an employer, "Python" a skill.
SKILL_LIKE_STEMS = words("""
    Python Delphi Spark Excel Swift Ruby Scala Kafka Access Oracle Sketch Unity Outlook Julia Perl Maya Hive Origin
    Canvas Scratch Cobol Redis Toast Figma
""")

ACRONYMS = words("KTL BVX Q&H MNR DRW ZBS PKO H&T VLG RTN EWC J&B ASV NPL GHX T&M OLB FWK UCD KRB")

LEGAL_FORMS = phrases("""
    Ltd; Inc.; LLC; Ltd.; plc; Corp.; Pvt Ltd; Private Limited; India Pvt. Ltd.; GmbH; AG; GmbH & Co. KG; SA; SARL;
    S.p.A.; S.r.l.; S.L.; AB; A/S; Oy; B.V.; N.V.; Sp. z o.o.; s.r.o.
""")

COLLEGE_PATTERNS = [
    "University of {town}",
    "{town} University",
    "{town} State University",
    "{town} University of Technology",
    "{town} Institute of Technology",
    "{town} Institute of Management & Research",
    "{town} College",
    "{town} Community College",
    "Technical University of {town}",
    "{town} University of Applied Sciences",
    "{surname} College of Engineering",
    "{surname} School of Business",
    "{surname} University",
    "{surname} Memorial College",
    "{saint} College",
    "Government Polytechnic of {town}",
    "Universidad de {town}",
    "Université de {town}",
    "Politecnico di {town}",
    "Hochschule {town}",
    "{given} {surname} Institute",
    "Royal Academy of {town}",
]

SCHOOL_PATTERNS = [
    "{town} High School",
    "{surname} Grammar School",
    "{saint} School",
    "{saint} Secondary School",
    "Gymnasium {town}",
    "{surname} Public School",
    "Lycée {surname}",
    "{town} Sixth Form College",
]

SAINTS = phrases(
    "St. Brendan's; St Ælfric's; St. Ottilia's; St. Casimir's; St Hilda's; Sacred Heart; St. Vigil's; Holy Cross"
)

STREETS = phrases("""
    Durham Road; Mill Lane; Florence Street; Kiefernweg; rue des Tilleuls; Via Roma; Park Avenue; Canal Row; Calle
    Sol; Station Road; Oxford Terrace; MG Road; Lindenstraße; Vienna Close; Elm Drive; Berlin Avenue; Nehru Nagar;
    Quay Side; Harbour View; Warwick Gardens
""")

LANGUAGES = words("English German French Spanish Hindi Polish Portuguese Italian Swedish Arabic Mandarin Tamil Dutch")
LANGUAGE_LEVELS = ["native", "fluent", "C1", "B2", "basic", "conversational", "mother tongue", "working knowledge"]

INTERESTS = phrases("""
    rock climbing; bread baking; chess; keeping a royal python; travelling in Java; amateur theatre; the London
    Marathon; restoring bicycles; choir singing; allotment gardening; Go tournaments; bird watching; five-a-side
    football; sketching old buildings; Sudoku; the Vienna Festival; swift nest boxes; jazz piano; photography; the
    Paris Roubaix ride; polishing rubies and other gemstones; open water swimming; board games; hiking; the
    Edinburgh Fringe; making word puzzles
""")

CERTIFICATES = phrases("""
    PMP; PRINCE2 Foundation; Scrum Master certificate; ITIL v4 Foundation; First Aid at Work; IELTS 7.5; CFA Level
    II; Six Sigma Green Belt; driving licence, category B; Food Hygiene Level 3; Certified Ethical Hacker;
    Microsoft Office Specialist 2016; Advanced Life Support; forklift licence; CELTA; ISTQB Foundation Level;
    NEBOSH certificate; Windows Server 2012 course; project management course; works council training; data
    protection officer course
""")

EMAIL_HOSTS = ["example.com", "example.org", "example.net", "mail.example.com", "post.example.org", "web.example.net"]


@dataclass(frozen=True)
class Vocabulary:
    """The divided lists, as one side of the split may use them."""

    surnames: list[str]
    cities: list[tuple[str, str]]
    towns: list[tuple[str, str]]
    stems: list[str]
    skill_like_stems: list[str]
    acronyms: list[str]
    saints: list[str]
    unseen: bool


def seen(pool: list) -> list:
    """What training may see of a divided list."""
    return [entry for place, entry in enumerate(pool) if place % 4 != 3]


def held_out(pool: list) -> list:
    """What only validation and test see of a divided list."""
    return pool[3::4]


def _composed_towns(beginnings: list[str]) -> list[tuple[str, str]]:
    """Towns by the hundred: too many to be learned by heart, so that the surroundings must tell what they are."""
    names = [beginning + ending for beginning in beginnings for ending in TOWN_ENDINGS]
    return [(name, REGIONS[place % len(REGIONS)]) for place, name in enumerate(names)]


def _vocabulary(part: Callable[[list], list], unseen: bool) -> Vocabulary:
    return Vocabulary(
        surnames=part(SURNAMES),
        cities=part(CITIES),
        towns=6 * part(TOWNS) + _composed_towns(part(TOWN_BEGINNINGS)),
        stems=part(COMPANY_STEMS),
        skill_like_stems=part(SKILL_LIKE_STEMS),
        acronyms=part(ACRONYMS),
        saints=part(SAINTS),
        unseen=unseen,
    )


SEEN = _vocabulary(seen, unseen=False)
HELD_OUT = _vocabulary(held_out, unseen=True)
