"""Countries with telephone numbers, by name, and which one this machine is most likely in.

Names are those that English speakers use, of the codes that the metadata for numbers knows (ISO
3166 and three that have numbers without one). A guess is a proposal for a form, never more.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

_TEXT = """
AF Afghanistan; AX Åland Islands; AL Albania; DZ Algeria; AS American Samoa; AD Andorra; AO
Angola; AI Anguilla; AG Antigua and Barbuda; AR Argentina; AM Armenia; AW Aruba; AC
Ascension Island; AU Australia; AT Austria; AZ Azerbaijan; BS Bahamas; BH Bahrain; BD
Bangladesh; BB Barbados; BY Belarus; BE Belgium; BZ Belize; BJ Benin; BM Bermuda; BT Bhutan;
BO Bolivia; BA Bosnia and Herzegovina; BW Botswana; BR Brazil; IO British Indian Ocean
Territory; VG British Virgin Islands; BN Brunei; BG Bulgaria; BF Burkina Faso; BI Burundi;
KH Cambodia; CM Cameroon; CA Canada; CV Cape Verde; BQ Caribbean Netherlands; KY Cayman
Islands; CF Central African Republic; TD Chad; CL Chile; CN China; CX Christmas Island; CC Cocos
Islands; CO Colombia; KM Comoros; CG Congo (Brazzaville); CD Congo (Kinshasa); CK Cook
Islands; CR Costa Rica; HR Croatia; CU Cuba; CW Curaçao; CY Cyprus; CZ Czechia; CI Côte
d’Ivoire; DK Denmark; DJ Djibouti; DM Dominica; DO Dominican Republic; TL East Timor; EC
Ecuador; EG Egypt; SV El Salvador; GQ Equatorial Guinea; ER Eritrea; EE Estonia; SZ
Eswatini; ET Ethiopia; FK Falkland Islands; FO Faroe Islands; FJ Fiji; FI Finland; FR
France; GF French Guiana; PF French Polynesia; GA Gabon; GM Gambia; GE Georgia; DE Germany;
GH Ghana; GI Gibraltar; GR Greece; GL Greenland; GD Grenada; GP Guadeloupe; GU Guam; GT
Guatemala; GG Guernsey; GN Guinea; GW Guinea-Bissau; GY Guyana; HT Haiti; HN Honduras; HK
Hong Kong; HU Hungary; IS Iceland; IN India; ID Indonesia; IR Iran; IQ Iraq; IE Ireland; IM
Isle of Man; IL Israel; IT Italy; JM Jamaica; JP Japan; JE Jersey; JO Jordan; KZ Kazakhstan;
KE Kenya; KI Kiribati; XK Kosovo; KW Kuwait; KG Kyrgyzstan; LA Laos; LV Latvia; LB Lebanon;
LS Lesotho; LR Liberia; LY Libya; LI Liechtenstein; LT Lithuania; LU Luxembourg; MO Macao;
MG Madagascar; MW Malawi; MY Malaysia; MV Maldives; ML Mali; MT Malta; MH Marshall Islands;
MQ Martinique; MR Mauritania; MU Mauritius; YT Mayotte; MX Mexico; FM Micronesia; MD
Moldova; MC Monaco; MN Mongolia; ME Montenegro; MS Montserrat; MA Morocco; MZ Mozambique; MM
Myanmar; NA Namibia; NR Nauru; NP Nepal; NL Netherlands; NC New Caledonia; NZ New Zealand;
NI Nicaragua; NE Niger; NG Nigeria; NU Niue; NF Norfolk Island; KP North Korea; MK North
Macedonia; MP Northern Mariana Islands; NO Norway; OM Oman; PK Pakistan; PW Palau; PS
Palestine; PA Panama; PG Papua New Guinea; PY Paraguay; PE Peru; PH Philippines; PL Poland;
PT Portugal; PR Puerto Rico; QA Qatar; RO Romania; RU Russia; RW Rwanda; RE Réunion; WS
Samoa; SM San Marino; SA Saudi Arabia; SN Senegal; RS Serbia; SC Seychelles; SL Sierra
Leone; SG Singapore; SX Sint Maarten; SK Slovakia; SI Slovenia; SB Solomon Islands; SO
Somalia; ZA South Africa; KR South Korea; SS South Sudan; ES Spain; LK Sri Lanka; BL St
Barthélemy; SH St Helena; KN St Kitts and Nevis; LC St Lucia; MF St Martin (French part); PM
St Pierre and Miquelon; VC St Vincent; SD Sudan; SR Suriname; SJ Svalbard and Jan Mayen; SE
Sweden; CH Switzerland; SY Syria; ST São Tomé and Príncipe; TW Taiwan; TJ Tajikistan; TZ
Tanzania; TH Thailand; TG Togo; TK Tokelau; TO Tonga; TT Trinidad and Tobago; TA Tristan da
Cunha; TN Tunisia; TM Turkmenistan; TC Turks and Caicos Islands; TV Tuvalu; TR Türkiye; VI
US Virgin Islands; UG Uganda; UA Ukraine; AE United Arab Emirates; GB United Kingdom; US
United States; UY Uruguay; UZ Uzbekistan; VU Vanuatu; VA Vatican City; VE Venezuela; VN
Vietnam; WF Wallis and Futuna; EH Western Sahara; YE Yemen; ZM Zambia; ZW Zimbabwe
"""
NAMES: dict[str, str] = {entry[:2]: entry[3:] for entry in " ".join(_TEXT.split()).split("; ")}
"""Name by code, in the order of the names."""

_ZONES = Path("/usr/share/zoneinfo/zone.tab")
"""Which country each time zone is of (tz database)."""
_LOCALE = re.compile(r"[a-z]{2,3}_([A-Z]{2})")


def guess(
    variables: Mapping[str, str] = os.environ,
    zone: Path = Path("/etc/localtime"),
    table: Path = _ZONES,
) -> str | None:
    """The code of the country of this machine's time zone, else of its language; None: unknown."""
    try:
        place = str(zone.resolve()).partition("/zoneinfo/")[2]
        for line in table.read_text(encoding="utf-8").splitlines():
            fields = line.split("\t")
            if place and len(fields) > 2 and fields[2] == place and fields[0] in NAMES:
                return fields[0]
    except OSError:
        pass  # no such file on this machine
    for name in ("LC_ALL", "LC_TELEPHONE", "LANG"):
        found = _LOCALE.match(variables.get(name, ""))
        if found is not None and found[1] in NAMES:
            return found[1]
    return None
