"""The trades that the invented people follow: what such a person is called, uses, does and improves."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.sample_resumes.vocabulary import phrases


@dataclass(frozen=True)
class Trade:
    """One line of work. Every field lists interchangeable phrases; `tools` are names, `practices` are abilities."""

    titles: list[str]
    employers: list[str]
    tools: list[str]
    practices: list[str]
    projects: list[str]
    routines: list[str]
    lowered: list[str]
    raised: list[str]
    colleagues: list[str]
    fields: list[str]


SOFTWARE = Trade(
    titles=phrases("""
        Software Engineer; Java Developer; Backend Developer; Python Developer; Frontend Engineer; Systems
        Administrator; Full Stack Developer; DevOps Engineer; QA Engineer; Android Developer; Solutions Architect;
        Site Reliability Engineer; Test Automation Engineer
    """),
    employers=phrases("Software; Systems; Technologies; Labs; Digital; Cloud Services; Interactive; Data Centres"),
    tools=phrases("""
        Java; Python; JavaScript; Kubernetes; SQL; Docker; C++; Terraform; React; PostgreSQL; Oracle; Ansible; Git;
        Jenkins; Spring Boot; Angular; Linux; C#; Kafka; Ruby on Rails; Node.js; MongoDB; TypeScript; Go; .NET
        Core; Redis; Swift; GraphQL; Selenium; Rust; Bash; Elasticsearch; AWS; HTML; CSS; RabbitMQ; MySQL; Maven;
        REST APIs; Kotlin
    """),
    practices=phrases("""
        code review; unit testing; system design; pair programming; continuous integration; incident response;
        Scrum; test-driven development; microservices; performance tuning; requirements analysis; threat modelling
    """),
    projects=phrases("""
        a billing service; a booking platform for ferries; the migration of 40 services to containers; a release
        pipeline; an audit log for payments; a search index over 12 million records; the mobile check-in app; a
        monitoring dashboard; a scheduler for nightly jobs; the new sign-on service
    """),
    routines=phrases("""
        on-call duty; weekly releases; code reviews; database backups; the regression test suite; security patches;
        the support queue; capacity planning; sprint planning
    """),
    lowered=phrases("""
        page load time; the number of open defects; build time; cloud costs; failed deployments; response time of
        the API; downtime
    """),
    raised=phrases(
        "test coverage; throughput of the import; availability; deployment frequency; the app store rating"
    ),
    colleagues=phrases("developers; testers; product owners; junior engineers; support staff"),
    fields=phrases("""
        Computer Science; Software Engineering; Information Technology; Computer Engineering; Applied Informatics;
        Computer Applications; Electronics & Communication
    """),
)

DATA = Trade(
    titles=phrases("""
        Data Analyst; Data Scientist; Business Intelligence Analyst; Data Engineer; Statistician; Machine Learning
        Engineer; Reporting Analyst; Database Administrator; Research Analyst; Analytics Manager
    """),
    employers=phrases("Analytics; Insights; Research; Data; Intelligence; Statistics Bureau; Polling; Forecasting"),
    tools=phrases("""
        SQL; Python; R; Snowflake; Tableau; Power BI; Excel; Airflow; SAS; Spark; pandas; Looker; Hadoop; Oracle;
        scikit-learn; dbt; SPSS; Informatica; Access; BigQuery; MATLAB; Stata; Redshift; PyTorch; Teradata; SSIS;
        NumPy; Qlik Sense; Julia; Hive; Git; KNIME
    """),
    practices=phrases("""
        regression analysis; A/B testing; data modelling; survey design; time series forecasting; data cleaning;
        data visualisation; feature engineering; predictive modelling; ETL; dimensional modelling; text mining
    """),
    projects=phrases("""
        a churn model; the quarterly sales dashboard; a demand forecast for 300 shops; a data warehouse; a fraud
        score; the customer segmentation; a data quality report; a pricing model; a survey of 4,000 households; a
        nightly load of meter readings
    """),
    routines=phrases("""
        ad hoc queries; the monthly report pack; data quality checks; requests from regional offices; the weekly
        forecast; model monitoring; documentation of data sources
    """),
    lowered=phrases("reporting time; forecast error; duplicate records; query cost; manual spreadsheet work"),
    raised=phrases("forecast accuracy; response rates; use of the dashboards; model recall; data coverage"),
    colleagues=phrases("analysts; data stewards; graduate trainees; sales planners; field interviewers"),
    fields=phrases("""
        Statistics; Data Science; Mathematics; Applied Statistics; Economics; Computer Science; Operations
        Research; Econometrics
    """),
)

FINANCE = Trade(
    titles=phrases("""
        Accountant; Financial Analyst; Auditor; Accounts Payable Clerk; Credit Controller; Payroll Administrator;
        Finance Manager; Tax Consultant; Bookkeeper; Treasury Analyst; Management Accountant; Loan Officer;
        Investment Associate
    """),
    employers=phrases("Bank; Capital; Accounting; Savings Bank; Insurance; Finance; Credit Union; Asset Management"),
    tools=phrases("""
        SAP FI/CO; Excel; QuickBooks; Workday; Oracle Financials; Sage 50; Tally ERP 9; Hyperion; VBA; Xero; Power
        BI; BlackLine; Access; Bloomberg Terminal; DATEV; Anaplan; MS Dynamics; Cognos; SQL; Coupa; Concur
    """),
    practices=phrases("""
        budgeting; month-end closing; IFRS; variance analysis; VAT returns; bank reconciliation; financial
        modelling; cost accounting; internal controls; accounts receivable; cash flow forecasting; US GAAP; risk
        assessment; statutory audit
    """),
    projects=phrases("""
        the annual budget; a cash flow forecast; the move to electronic invoices; a fixed asset register; the audit
        file for 14 subsidiaries; a new chart of accounts; the expense policy; a credit scoring sheet; the P&L
        reporting pack
    """),
    routines=phrases("""
        bank reconciliations; supplier payments; month-end closing; payroll for 230 employees; VAT returns; expense
        claims; intercompany balances; the petty cash; dunning letters
    """),
    lowered=phrases("overdue receivables; closing time; bank charges; invoice errors; audit findings; late payments"),
    raised=phrases("collection rates; early payment discounts; budget accuracy; gross margin; return on deposits"),
    colleagues=phrases("bookkeepers; branch staff; junior auditors; budget holders; trainees"),
    fields=phrases("""
        Accounting; Finance; Economics; Business Administration; Banking & Insurance; Accounting and Finance;
        Taxation; Commerce
    """),
)

SALES = Trade(
    titles=phrases("""
        Sales Manager; Account Manager; Sales Representative; Key Account Manager; Business Development Executive;
        Store Manager; Territory Manager; Sales Associate; Inside Sales Representative; Regional Sales Manager;
        Retail Supervisor; Customer Success Manager
    """),
    employers=phrases("Trading; Retail; Foods; Furniture; Beverages; Stores; Electronics; Office Supplies"),
    tools=phrases("""
        Salesforce; Excel; HubSpot; Zoho CRM; SAP; PowerPoint; Outlook; Pipedrive; Slack; Shopify; MS Dynamics;
        LinkedIn Sales Navigator; Word; Freshsales; Zoom; Lightspeed POS; Google Analytics; SugarCRM
    """),
    practices=phrases("""
        negotiation; lead generation; key account management; cold calling; territory planning; sales forecasting;
        merchandising; contract renewal; upselling; trade marketing; channel sales; stock control; customer
        retention
    """),
    projects=phrases("""
        a dealer network of 60 shops; the spring campaign; a loyalty programme; a tender for school furniture; the
        launch of three product lines; a price list for export markets; a pop-up store; the reopening of the
        flagship store
    """),
    routines=phrases("""
        weekly store visits; quotations; the sales pipeline; customer complaints; till reconciliation; contract
        renewals; stock counts; the trade fair stand
    """),
    lowered=phrases("customer churn; returned goods; stock shrinkage; discounts; days to quotation"),
    raised=phrases("revenue; repeat orders; average basket size; market share; footfall; the win rate"),
    colleagues=phrases("sales assistants; dealers; trainees; store teams; field representatives"),
    fields=phrases(
        "Marketing; Business Administration; Commerce; International Business; Retail Management; Economics"
    ),
)

MARKETING = Trade(
    titles=phrases("""
        Marketing Manager; Graphic Designer; Content Editor; UX Designer; Brand Manager; Copywriter; Social Media
        Manager; Art Director; Digital Marketing Specialist; Web Designer; Communications Officer; Video Editor
    """),
    employers=phrases("Media; Studio; Publishing; Design; Communications; Advertising; Press; Broadcasting"),
    tools=phrases("""
        Adobe Photoshop; Illustrator; InDesign; Premiere Pro; Figma; WordPress; Google Analytics; Mailchimp;
        Sketch; HTML; Canva; Hootsuite; HubSpot; After Effects; CSS; Lightroom; Word; Webflow; Blender; TYPO3;
        Slack; Final Cut Pro; Google Ads; Miro
    """),
    practices=phrases("""
        copywriting; search engine optimisation; brand strategy; typography; storyboarding; user research; media
        planning; proofreading; email campaigns; press relations; wireframing; art direction; community management
    """),
    projects=phrases("""
        a new corporate design; the relaunch of the website; a podcast series; an exhibition catalogue; a campaign
        for public transport; the annual report; a photo archive; a style guide; an e-mail newsletter with 18,000
        readers
    """),
    routines=phrases("""
        the editorial calendar; press enquiries; proofs and print approvals; social media channels; the image
        library; agency briefings; the weekly newsletter
    """),
    lowered=phrases("print costs; the bounce rate; cost per lead; production time; agency fees"),
    raised=phrases("organic traffic; click-through rates; newsletter subscriptions; brand awareness; ticket sales"),
    colleagues=phrases("freelancers; illustrators; editors; photographers; interns"),
    fields=phrases(
        "Graphic Design; Communication Studies; Marketing; Journalism; Media Studies; Fine Arts; Visual Arts"
    ),
)

PEOPLE_OPS = Trade(
    titles=phrases("""
        HR Manager; Recruiter; Office Manager; Executive Assistant; HR Business Partner; Administrative Assistant;
        Talent Acquisition Specialist; Receptionist; Training Coordinator; HR Generalist; Payroll Officer; Legal
        Secretary
    """),
    employers=phrases("Staffing; Holdings; Consulting; Services; Group; Law Firm; Recruitment; Property Management"),
    tools=phrases("""
        Workday; SAP SuccessFactors; Excel; BambooHR; Outlook; Word; PowerPoint; Personio; SharePoint; ADP; Visio;
        Taleo; Access; MS Teams; LinkedIn Recruiter; Cornerstone; Google Workspace; DocuSign
    """),
    practices=phrases("""
        recruitment; onboarding; employee relations; labour law; diary management; minute taking; event planning;
        performance reviews; workforce planning; conflict resolution; travel booking; job evaluation; shorthand
    """),
    projects=phrases("""
        an induction programme; a skills matrix; the office move; a graduate scheme; the staff handbook; an
        appraisal process for 600 employees; a works agreement on remote work; a digital personnel file
    """),
    routines=phrases("""
        job interviews; travel bookings; the board's diary; absence records; visa applications; incoming post;
        staff surveys; holiday planning; minutes of the works council
    """),
    lowered=phrases("time to hire; staff turnover; sick leave; agency spending; paperwork"),
    raised=phrases("staff retention; applications per vacancy; training attendance; survey participation"),
    colleagues=phrases("line managers; new starters; apprentices; department heads; volunteers"),
    fields=phrases("""
        Human Resource Management; Business Administration; Psychology; Public Administration; Law; Organisational
        Psychology; English
    """),
)

HEALTH = Trade(
    titles=phrases("""
        Registered Nurse; Physiotherapist; Staff Nurse; Ward Sister; Pharmacist; Medical Assistant; Midwife;
        Radiographer; Care Assistant; Laboratory Technician; Dental Hygienist; Occupational Therapist; Nurse
        Manager
    """),
    employers=phrases("General Hospital; Clinic; Health Centre; Care Homes; Medical Centre; Dental Practice; Hospice"),
    tools=phrases("""
        Epic; Cerner; EMIS Web; MEDITECH; SystmOne; Excel; Orbis; Word; iMedOne; PACS; Outlook; Vivendi; Pyxis;
        Dentrix
    """),
    practices=phrases("""
        triage; wound care; patient assessment; phlebotomy; infection control; medication administration;
        palliative care; ECG; manual therapy; care planning; cannulation; CPR; discharge planning; health education
    """),
    projects=phrases("""
        a falls prevention programme; the vaccination clinic; a handover checklist; a pain diary for children; an
        outpatient rehabilitation group; the stock system for dressings; a stroke pathway
    """),
    routines=phrases("""
        ward rounds; night shifts; admissions; medication charts; home visits; sterile supplies; blood samples;
        clinical audits; discharge letters
    """),
    lowered=phrases("waiting time; pressure ulcers; medication errors; readmissions; missed appointments"),
    raised=phrases("vaccination rates; hand hygiene scores; patient satisfaction; attendance at rehabilitation"),
    colleagues=phrases("student nurses; carers; physicians; patients and relatives; healthcare assistants"),
    fields=phrases("Nursing; Physiotherapy; Pharmacy; Health Sciences; Midwifery; Biomedical Science; Public Health"),
)

EDUCATION = Trade(
    titles=phrases("""
        Primary School Teacher; Mathematics Teacher; English Teacher; School Counsellor; Teaching Assistant;
        Special Needs Teacher; Librarian; Deputy Head Teacher; Kindergarten Teacher; Language Instructor; Museum
        Educator
    """),
    employers=phrases(
        "Primary School; Grammar School; Public Library; Language School; Kindergarten; Academy; Museum"
    ),
    tools=phrases("""
        Moodle; Google Classroom; Excel; GeoGebra; Word; Kahoot; SMART Board; Canvas; PowerPoint; Zoom; SIMS;
        WebUntis; Scratch; Padlet
    """),
    practices=phrases("""
        lesson planning; classroom management; curriculum design; differentiated teaching; child protection; exam
        preparation; phonics; parent counselling; cataloguing; mentoring; storytelling; safeguarding
    """),
    projects=phrases("""
        a reading club; the school garden; a chemistry kit on loan; an exchange with a partner school; a maths
        olympiad; the digital library card; a homework club for newcomers; a theatre week
    """),
    routines=phrases("""
        parents' evenings; lessons in years 5 to 9; exam papers; playground duty; the timetable; book orders;
        school reports; guided tours
    """),
    lowered=phrases("truancy; class sizes in reading groups; overdue loans; dropouts; marking time"),
    raised=phrases("pass rates; reading ages; library visits; exam results; attendance"),
    colleagues=phrases("pupils; trainee teachers; parents; teaching assistants; visiting classes"),
    fields=phrases(
        "Education; Mathematics; English Literature; Primary Education; History; Library Science; Linguistics"
    ),
)

LOGISTICS = Trade(
    titles=phrases("""
        Warehouse Manager; Logistics Coordinator; Supply Chain Analyst; Forklift Operator; Purchasing Manager;
        Import Coordinator; Dispatcher; Fleet Manager; Procurement Specialist; Customs Agent; Production Planner;
        Inventory Controller
    """),
    employers=phrases("Logistics; Freight; Shipping; Couriers; Transport; Cold Storage; Port Services; Warehousing"),
    tools=phrases("""
        SAP MM; Excel; Manhattan WMS; JD Edwards; Oracle SCM; RF scanners; Power BI; AutoStore; SAP EWM; Access;
        TMS; CargoWise; Outlook; Infor; Blue Yonder; ATLAS; MS Project; Tableau
    """),
    practices=phrases("""
        route planning; inventory management; customs clearance; vendor management; demand planning; cycle
        counting; dangerous goods handling; lean warehousing; freight negotiation; Incoterms; Kanban; order picking
    """),
    projects=phrases("""
        a second cross-dock; the night sort; a pick-by-voice trial; a supplier scorecard; a container yard plan;
        the move of 9,000 pallets; a returns process; a carrier tender
    """),
    routines=phrases("""
        shift rosters; goods receipt; customs declarations; carrier invoices; cycle counts; loading plans; tyre and
        fuel records; purchase orders; drivers' hours
    """),
    lowered=phrases("picking errors; demurrage; freight costs; empty kilometres; stock-outs; order lead time"),
    raised=phrases("on-time delivery; truck fill rates; stock accuracy; lines picked per hour"),
    colleagues=phrases("drivers; pickers; forwarders; suppliers; temporary workers"),
    fields=phrases(
        "Logistics; Supply Chain Management; Industrial Engineering; Transport Economics; Business Studies"
    ),
)

ENGINEERING = Trade(
    titles=phrases("""
        Mechanical Engineer; Electrical Engineer; Maintenance Technician; Quality Engineer; Civil Engineer; Process
        Engineer; Production Supervisor; CNC Machinist; Design Engineer; Site Engineer; Project Engineer;
        Automation Engineer; Welding Inspector
    """),
    employers=phrases("Engineering; Steel; Machine Works; Automotive; Energy; Construction; Instruments; Aerospace"),
    tools=phrases("""
        AutoCAD; SolidWorks; MATLAB; Revit; CATIA; Siemens NX; ANSYS; Minitab; PLC; MS Project; Primavera P6; SAP
        PM; LabVIEW; EPLAN; Creo; Inventor; STAAD Pro; Python; TIA Portal; Excel; Simulink; Fanuc controls
    """),
    practices=phrases("""
        FMEA; root cause analysis; lean manufacturing; Six Sigma; 5S; preventive maintenance; technical drawing;
        GD&T; ISO 9001; commissioning; cost estimation; structural analysis; TIG welding; kaizen
    """),
    projects=phrases("""
        a bottling line; the retrofit of two presses; a footbridge over a canal; a test rig for pumps; the control
        cabinet for a sawmill; a wind farm substation; a gearbox housing; the layout of a paint shop
    """),
    routines=phrases("""
        shift handovers; inspections; spare parts; measurement reports; toolbox talks; site diaries; machine
        set-ups; calibration; permit checks
    """),
    lowered=phrases("scrap; unplanned downtime; set-up time; energy consumption; rework; reportable accidents"),
    raised=phrases("overall equipment effectiveness; first-pass yield; output per shift; bearing life"),
    colleagues=phrases("fitters; operators; subcontractors; apprentices; draughtsmen"),
    fields=phrases("""
        Mechanical Engineering; Electrical Engineering; Civil Engineering; Mechatronics; Industrial Engineering;
        Electrical & Electronics Engineering; Materials Science
    """),
)

HOSPITALITY = Trade(
    titles=phrases("""
        Hotel Manager; Sous Chef; Restaurant Manager; Front Desk Agent; Pastry Chef; Event Coordinator; Head
        Waiter; Housekeeping Supervisor; Barista; Catering Manager; Travel Consultant; Bar Manager
    """),
    employers=phrases("Hotel; Catering; Restaurants; Resort; Bakery; Travel; Brewery; Guest House"),
    tools=phrases("""
        Opera PMS; Excel; Amadeus; Resy; Micros POS; Word; OpenTable; Cloudbeds; Protel; Outlook; Sabre; Toast;
        Galileo; Square
    """),
    practices=phrases("""
        menu planning; HACCP; guest relations; revenue management; food costing; table service; banqueting;
        complaint handling; wine pairing; shift planning; room inspection; allergen control; bread baking
    """),
    projects=phrases("""
        a breakfast concept; the wedding package; a herb garden on the roof; the winter menu; a training kitchen; a
        wine list of 90 labels; the refurbishment of 48 rooms
    """),
    routines=phrases("""
        check-ins; night audits; banquets for up to 250 guests; stock orders; kitchen hygiene records; duty
        rosters; group bookings; supplier tastings
    """),
    lowered=phrases("food waste; guest complaints; laundry costs; no-shows; overtime"),
    raised=phrases("occupancy; review scores; average spend per cover; repeat bookings"),
    colleagues=phrases("waiters; commis chefs; apprentices; room attendants; seasonal staff"),
    fields=phrases(
        "Hotel Management; Tourism; Culinary Arts; Hospitality Management; Event Management; Food Technology"
    ),
)

SCIENCE = Trade(
    titles=phrases("""
        Research Assistant; Postdoctoral Researcher; Lecturer; Research Associate; Assistant Professor; Laboratory
        Manager; Doctoral Researcher; Research Fellow; Environmental Scientist; Field Ecologist; Lab Technician
    """),
    employers=phrases("Biotech; Diagnostics; Environmental Services; Research; Observatory; Botanical Garden"),
    tools=phrases("""
        R; Python; LaTeX; MATLAB; ImageJ; QGIS; GraphPad Prism; HPLC; Fortran; ArcGIS; Bioconductor; NONMEM;
        COMSOL; Stata; Origin; NVivo; Linux; ChemDraw; Snakemake; Julia
    """),
    practices=phrases("""
        PCR; cell culture; mass spectrometry; flow cytometry; grant writing; field sampling; Bayesian statistics;
        electron microscopy; supervision of theses; science communication; experimental design; remote sensing
    """),
    projects=phrases("""
        a moss survey of 46 bogs; a model of river ice; an open data set of tree rings; a low-cost light sheet
        microscope; the third-party funded project on soil fungi; a seminar on scientific writing; a sediment core
        archive
    """),
    routines=phrases("""
        practical courses; lab safety briefings; instrument time; peer reviews; seminars with 30 students; sample
        shipments; bachelor theses; the group's server
    """),
    lowered=phrases("sample loss; assay time; reagent costs; measurement noise"),
    raised=phrases("instrument use; sample throughput; course evaluations; detection sensitivity"),
    colleagues=phrases("doctoral students; undergraduates; technicians; visiting researchers"),
    fields=phrases("Biology; Chemistry; Physics; Ecology; Geosciences; Biochemistry; Environmental Science; Botany"),
)

TRADES = [
    SOFTWARE,
    DATA,
    FINANCE,
    SALES,
    MARKETING,
    PEOPLE_OPS,
    HEALTH,
    EDUCATION,
    LOGISTICS,
    ENGINEERING,
    HOSPITALITY,
    SCIENCE,
]
