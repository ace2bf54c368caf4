"""Which rights to change a table are read from what SHOW GRANTS prints."""

import pytest

from sessionstore.express.fitness.rights import TO_CHANGE, held_by

TO = "TO `shop`@`%`"


@pytest.mark.parametrize(
    ("line", "held"),
    [
        (f"GRANT ALL PRIVILEGES ON *.* {TO} WITH GRANT OPTION", TO_CHANGE),
        (f"GRANT ALL PRIVILEGES ON `shop_db`.* {TO}", TO_CHANGE),
        (f"GRANT SELECT, ALTER, TRIGGER ON `shop_db`.`sessions` {TO}", {"ALTER", "TRIGGER"}),
        (f"GRANT SELECT (a, `INDEX`), INSERT ON `shop_db`.`sessions` {TO}", set()),
        ('GRANT INDEX ON "shop_db"."sessions" TO "shop"@"%"', {"INDEX"}),
        (rf"GRANT INDEX ON `shop\_db`.* {TO}", {"INDEX"}),
        (f"GRANT INDEX ON `shop%`.* {TO}", {"INDEX"}),
        (rf"GRANT INDEX ON `shop\%`.* {TO}", set()),
        (f"GRANT INDEX ON `shop_db`.`sess%` {TO}", set()),
        (f"GRANT INDEX ON `other`.* {TO}", set()),
        (f"GRANT USAGE ON *.* {TO}", set()),
        ("GRANT `INDEX`@`%` TO `shop`@`%`", set()),
        (f"GRANT EXECUTE ON FUNCTION `shop_db`.`sessions` {TO}", set()),
    ],
)
def test_a_line_gives_what_it_says_on_the_table_it_names(line, held):
    """Of a database by its pattern; a column's right is none to the table."""
    assert held_by([line, "nothing"], "shop_db", "sessions") == held
