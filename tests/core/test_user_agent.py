"""What a User-Agent says, by headers that browsers really send."""

import pytest

from sessionstore.core.headers.user_agent import Agent, Form, read_user_agent

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
MAC_WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
WINDOWS, MAC = "(Windows NT 10.0; Win64; x64)", "(Macintosh; Intel Mac OS X 10_15_7)"
IPHONE = "(iPhone; CPU iPhone OS 17_5 like Mac OS X)"
IPAD = "(iPad; CPU OS 17_5 like Mac OS X)"
PIXEL, TAB = "(Linux; Android 14; Pixel 8)", "(Linux; Android 13; SM-X700)"
PC, PHONE, TABLET = Form.COMPUTER, Form.PHONE, Form.TABLET
BROWSERS = [
    (f"{WINDOWS} {WEBKIT} Chrome/129.0.0.0 Safari/537.36", "Chrome", "Windows", PC),
    (f"{WINDOWS} {WEBKIT} Chrome/129.0.0.0 Safari/537.36 Edg/129.0", "Edge", "Windows", PC),
    (f"{WINDOWS} {WEBKIT} Chrome/129.0.0.0 Safari/537.36 OPR/114.0", "Opera", "Windows", PC),
    (
        "(Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0",
        "Firefox",
        "Windows",
        PC,
    ),
    (f"{MAC} {MAC_WEBKIT} Version/17.5 Safari/605.1.15", "Safari", "macOS", PC),
    (f"{MAC} {WEBKIT} Chrome/129.0.0.0 Safari/537.36", "Chrome", "macOS", PC),
    ("(X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0", "Firefox", "Linux", PC),
    (f"(X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/129.0 Safari/537.36", "Chrome", "ChromeOS", PC),
    (f"(X11; Linux x86_64) {WEBKIT} HeadlessChrome/129.0 Safari/537.36", "Chrome", "Linux", PC),
    (f"{IPHONE} {MAC_WEBKIT} Version/17.5 Mobile/15E148 Safari/604.1", "Safari", "iOS", PHONE),
    (f"{IPHONE} {MAC_WEBKIT} CriOS/129.0 Mobile/15E148 Safari/604.1", "Chrome", "iOS", PHONE),
    (f"{IPHONE} {MAC_WEBKIT} FxiOS/131.0 Mobile/15E148 Safari/605.1", "Firefox", "iOS", PHONE),
    (
        f"{IPHONE} {MAC_WEBKIT} Version/17.0 EdgiOS/129.0 Mobile/15E148 Safari/604.1",
        "Edge",
        "iOS",
        PHONE,
    ),
    (f"{IPHONE} {MAC_WEBKIT} Mobile/15E148", "", "iOS", PHONE),
    (f"{IPAD} {MAC_WEBKIT} Version/17.5 Mobile/15E148 Safari/604.1", "Safari", "iPadOS", TABLET),
    (f"{PIXEL} {WEBKIT} Chrome/129.0.0.0 Mobile Safari/537.36", "Chrome", "Android", PHONE),
    (f"{TAB} {WEBKIT} Chrome/129.0.0.0 Safari/537.36", "Chrome", "Android", TABLET),
    (
        f"{PIXEL} {WEBKIT} SamsungBrowser/25.0 Chrome/121.0 Mobile Safari/537.36",
        "Samsung Internet",
        "Android",
        PHONE,
    ),
    (f"{PIXEL} {WEBKIT} Chrome/129.0 Mobile Safari/537.36 EdgA/129.0", "Edge", "Android", PHONE),
    ("(Android 14; Mobile; rv:131.0) Gecko/131.0 Firefox/131.0", "Firefox", "Android", PHONE),
    (
        f"(Linux; Android 14; Pixel 8; wv) {WEBKIT} Version/4.0 Chrome/129.0 Mobile Safari/537.36",
        "",
        "Android",
        PHONE,
    ),
    (
        "(Linux; U; Android 4.0.3; de-de) AppleWebKit/534.30 Version/4.0 Mobile Safari/534.30",
        "",
        "Android",
        PHONE,
    ),
    ("(Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko", "", "Windows", PC),
]
PROGRAMS = [
    ("curl/8.5.0", "curl"),
    ("python-requests/2.32.3", "python-requests"),
    ("Wget/1.21.3", "Wget"),
    ("Go-http-client/1.1", "Go-http-client"),
    ("okhttp/4.12.0", "okhttp"),
    ("node", "node"),
    ("PostmanRuntime/7.42.0", "PostmanRuntime"),
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot"),
]


@pytest.mark.parametrize(("text", "browser", "system", "form"), BROWSERS)
def test_browsers_and_systems_are_known_by_their_names(text, browser, system, form):
    """Also those that claim to be another one; "" for what has no name of its own."""
    assert read_user_agent(f"Mozilla/5.0 {text}") == Agent(browser, system, form)


@pytest.mark.parametrize(("text", "name"), PROGRAMS)
def test_programs_are_no_browsers(text, name):
    """By the name that they begin with."""
    found = read_user_agent(text)
    assert (found.form, found.program, found.browser) == (Form.PROGRAM, name, "")


@pytest.mark.parametrize("text", [None, "", " ", "\0", "<script>", "é" * 512, "Mozilla/5.0", "1/2"])
def test_what_says_nothing_is_nothing(text):
    """And no error."""
    assert read_user_agent(text) == Agent()


def test_a_long_header_is_read_as_far_as_it_is_kept():
    """What a row holds of it says the same."""
    assert read_user_agent("Mozilla/5.0 (iPhone) " + "x" * 512 + " Firefox/1").browser == ""
