"""Files from before UTF-8: article 1 of the Universal Declaration of Human Rights in its readers' code pages."""

# ruff: noqa: RUF001 - the letters of other scripts that look like Latin ones are meant
import pytest

from gilo.settings import BASE_DIR
from knowledge.loaders.text import detect_encoding, read_text

TEXTS = {
    "French": (
        "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de "
        "conscience et doivent agir les uns envers les autres dans un esprit de fraternité."
    ),
    "German": (
        "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen "
        "begabt und sollen einander im Geist der Brüderlichkeit begegnen."
    ),
    "Spanish": (
        "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y "
        "conciencia, deben comportarse fraternalmente los unos con los otros."
    ),
    "Portuguese": (
        "Todos os seres humanos nascem livres e iguais em dignidade e em direitos. Dotados de razão e de "
        "consciência, devem agir uns para com os outros em espírito de fraternidade."
    ),
    "Finnish": (
        "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan. Heille on annettu järki ja"
        " omatunto, ja heidän on toimittava toisiaan kohtaan veljeyden hengessä."
    ),
    "Danish": (
        "Alle mennesker er født frie og lige i værdighed og rettigheder. De er udstyret med fornuft og "
        "samvittighed, og de bør handle mod hverandre i en broderskabets ånd."
    ),
    "Icelandic": (
        "Hver maður er borinn frjáls og jafn öðrum að virðingu og réttindum. Menn eru gæddir vitsmunum og "
        "samvisku, og ber þeim að breyta bróðurlega hverjum við annan."
    ),
    "Polish": (
        "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni obdarzeni rozumem"
        " i sumieniem i powinni postępować wobec innych w duchu braterstwa."
    ),
    "Czech": (
        "Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv. Jsou nadáni rozumem a svědomím a "
        "mají spolu jednat v duchu bratrství."
    ),
    "Slovak": (
        "Všetci ľudia sa rodia slobodní a sebe rovní, čo sa týka ich dôstojnosti a práv. Sú obdarení rozumom a "
        "majú navzájom jednať v bratskom duchu."
    ),
    "Hungarian": (
        "Minden emberi lény szabadon születik és egyenlő méltósága és joga van. Az emberek, ésszel és "
        "lelkiismerettel bírván, egymással szemben testvéri szellemben kell hogy viseltessenek."
    ),
    "Slovene": (
        "Vsi ljudje se rodijo svobodni in imajo enako dostojanstvo in enake pravice. Obdarjeni so z razumom in "
        "vestjo in bi morali ravnati drug z drugim kakor bratje. Nihče ne sme biti suženj; mučenje je "
        "prepovedano."
    ),
    "Romanian": (
        "Toate fiinţele umane se nasc libere şi egale în demnitate şi în drepturi. Ele sunt înzestrate cu raţiune"
        " şi conştiinţă şi trebuie să se comporte unele faţă de altele în spiritul fraternităţii."
    ),
    "Lithuanian": (
        "Visi žmonės gimsta laisvi ir lygūs savo orumu ir teisėmis. Jiems suteiktas protas ir sąžinė ir jie turi "
        "elgtis vienas kito atžvilgiu kaip broliai."
    ),
    "Latvian": (
        "Visi cilvēki piedzimst brīvi un vienlīdzīgi savā pašcieņā un tiesībās. Viņi ir apveltīti ar saprātu un "
        "sirdsapziņu, un viņiem jāizturas citam pret citu brālības garā."
    ),
    "Estonian": (
        "Kõik inimesed sünnivad vabadena ja võrdsetena oma väärikuselt ja õigustelt. Neile on antud mõistus ja "
        "südametunnistus ja nende suhtumist üksteisesse peab kandma vendluse vaim."
    ),
    "Turkish": (
        "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana sahiptirler ve "
        "birbirlerine karşı kardeşlik zihniyeti ile hareket etmelidirler."
    ),
    "Greek": (
        "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα. Είναι προικισμένοι "
        "με λογική και συνείδηση, και οφείλουν να συμπεριφέρονται μεταξύ τους με πνεύμα αδελφοσύνης."
    ),
    "Russian": (
        "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью и "
        "должны поступать в отношении друг друга в духе братства."
    ),
    "Ukrainian": (
        "Всі люди народжуються вільними і рівними у своїй гідності та правах. Вони наділені розумом і совістю і "
        "повинні діяти у відношенні один до одного в дусі братерства."
    ),
    "Bulgarian": (
        "Всички хора се раждат свободни и равни по достойнство и права. Те са надарени с разум и съвест и следва "
        "да се отнасят помежду си в дух на братство."
    ),
}
PAGES = {
    "cp1252": ["French", "German", "Spanish", "Portuguese", "Finnish", "Danish", "Icelandic", "Estonian"],
    "iso8859_15": ["French"],
    "mac_roman": ["French"],
    "cp1250": ["Polish", "Czech", "Slovak", "Hungarian", "Slovene", "Romanian"],
    "iso8859_2": ["Polish", "Czech", "Slovak", "Hungarian"],
    "cp852": ["Polish", "Czech"],
    "cp1257": ["Lithuanian", "Latvian", "Estonian"],
    "cp1254": ["Turkish"],
    "cp1253": ["Greek"],
    "cp1251": ["Russian", "Ukrainian", "Bulgarian"],
    "koi8_r": ["Russian"],
}
CASES = [(encoding, language) for encoding, languages in PAGES.items() for language in languages]


@pytest.mark.parametrize(("encoding", "language"), CASES)
def test_old_code_page_is_told_by_the_letters_of_its_language(tmp_path, encoding, language):
    path = tmp_path / "file"
    path.write_bytes(TEXTS[language].encode(encoding))
    assert read_text(path) == TEXTS[language]


def test_french_of_windows_is_french_in_every_piece():
    text = (BASE_DIR / "gilo" / "samples" / "conditions-de-retour.md").read_text(encoding="utf-8")
    content = text.replace("\u202f", "\u00a0").encode("cp1252", "ignore")
    for size in (300, 1_000, len(content)):
        for start in range(0, len(content) - size + 1, 100):
            piece = content[start : start + size]
            assert piece.decode(detect_encoding(piece)) == piece.decode("cp1252")


@pytest.mark.parametrize(
    "text",
    [
        "25 m² à 30 €",
        "Größe: 5 m³, 3 °C, ½ l Öl",
        "£5 ½ price",
        "¿Qué? ¡Sí!",
        "L’ÉCOLE EST FERMÉE À NOËL",
        "— — ———————\nÉté",
    ],
)
def test_few_signs_are_read_as_those_of_windows(text):
    content = text.encode("cp1252")
    assert content.decode(detect_encoding(content)) == text


@pytest.mark.parametrize("text", ["Pan Łukasz Żółtowski, Kraków", "paní Dvořáková, Plzeň"])
def test_name_in_an_english_text_keeps_its_letters(text):
    content = f"The contract of {text}, was signed on the first day of the month.".encode("cp1250")
    assert text in content.decode(detect_encoding(content))


def test_accents_that_come_late_are_read_too(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"plain words\n" * 10_000 + "réception à Noël".encode("cp1252"))
    assert read_text(path).endswith("réception à Noël")
