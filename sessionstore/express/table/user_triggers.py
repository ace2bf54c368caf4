"""The SQL of the triggers that keep the columns of the user, on each database.

Express's upsert names three columns, so only a trigger can fill others, whoever writes. One column
is for Django's login and one for passport's: which of them counts, no trigger can know. A candidate
may stand for several users, but no session of a user may be without one.
"""

from typing import Final

# InnoDB's old row formats take 767 bytes in an index: 128 characters always fit.
LENGTH: Final = 128


def key_of(vendor: str, text: str) -> str:
    """Return the expression for what a column holds of the id that the expression ``text`` is.

    Other spellings of a key are one: letter case and dashes (a UUID), leading zeros, spaces. The
    database folds both what a trigger finds and what is looked for, so they always agree.
    """
    return _KEYS[vendor].format(text=text, length=LENGTH)


TYPES = {
    "mysql": f"varchar({LENGTH}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL",
    "postgresql": f"varchar({LENGTH}) NULL",
    "sqlite": f"varchar({LENGTH}) NULL",
}
_KEYS = {
    "mysql": "TRIM(LEADING '0' FROM LOWER(REPLACE(TRIM(LEFT({text}, {length})), '-', '')))",
    "postgresql": (
        "ltrim(lower(replace(btrim(left({text}, {length})), '-', '') COLLATE \"C\"), '0')"
    ),
    "sqlite": "ltrim(lower(replace(trim(substr({text}, 1, {length})), '-', '')), '0')",
}
HELD = {
    "mysql": {
        "user_held": "JSON_UNQUOTE(JSON_EXTRACT(held, '$._auth_user_id'))",
        "passport_held": "JSON_UNQUOTE(JSON_EXTRACT(held, '$.passport.user'))",
    },
    "postgresql": {
        "user_held": "held ->> '_auth_user_id'",
        "passport_held": "held #>> '{{passport,user}}'",
    },
    "sqlite": {
        "user_held": "json_extract(NEW.{data}, '$._auth_user_id')",
        "passport_held": "json_extract(NEW.{data}, '$.passport.user')",
    },
}
EVENTS = {"mysql": ("insert", "update"), "postgresql": ("write",), "sqlite": ("insert", "update")}
# What the database cannot read as JSON (MariaDB nothing deeper than 32, none a lone surrogate, and
# PostgreSQL no \u0000) may yet be somebody's session: a "?" is a candidate for everybody. It never
# fails Express's statement.
_MYSQL = (
    " ON {table} FOR EACH ROW\nBEGIN\n"
    "  DECLARE held JSON;\n"
    "  DECLARE EXIT HANDLER FOR SQLEXCEPTION\n"
    "    SET NEW.{user} = IF(LOCATE('_auth_user_id', NEW.{data}) > 0, '?', NULL),\n"
    "      NEW.{passport} = IF(LOCATE('\"passport\"', NEW.{data}) > 0, '?', NULL);\n"
    "  IF CHANGED THEN\n"
    "    SET NEW.{user} = NULL, NEW.{passport} = NULL;\n"
    # A logout's mark is nobody's, whatever stands in the row before the guard has its turn.
    "    IF NEW.{mark} IS NULL THEN\n"
    "      SET held = NEW.{data};\n"
    "      IF JSON_VALID(held) = 0 THEN SIGNAL SQLSTATE '45000'; END IF;\n"
    "      SET NEW.{user} = {user_held},\n"
    "        NEW.{passport} = {passport_held};\n"
    "    END IF;\n"
    "  END IF;\n"
    "END"
)
# Optimization: a touch changes none of these, and the JSON is not parsed for it.
_MYSQL_CHANGED = (
    "NOT (NEW.{data} COLLATE utf8mb4_bin <=> OLD.{data} AND NEW.{mark} <=> OLD.{mark} "
    "AND NEW.{user} <=> OLD.{user} AND NEW.{passport} <=> OLD.{passport})"
)
_SQLITE = (
    " ON {alone} WHEN NEW.{mark} IS NULL BEGIN UPDATE {alone} SET "
    "{user} = CASE WHEN json_valid(NEW.{data}) THEN {user_held} "
    "WHEN instr(NEW.{data}, '_auth_user_id') THEN '?' END, "
    "{passport} = CASE WHEN json_valid(NEW.{data}) THEN {passport_held} "
    "WHEN instr(NEW.{data}, '\"passport\"') THEN '?' END WHERE {sid} = NEW.{sid}; END"
)
TRIGGERS = {
    "mysql": [
        # What was broken off between the two is made anew.
        "DROP TRIGGER IF EXISTS {schema}{first}",
        "DROP TRIGGER IF EXISTS {schema}{last}",
        "CREATE TRIGGER {schema}{first} BEFORE INSERT" + _MYSQL.replace("CHANGED", "TRUE"),
        "CREATE TRIGGER {schema}{last} BEFORE UPDATE" + _MYSQL.replace("CHANGED", _MYSQL_CHANGED),
    ],
    "postgresql": [
        (
            "CREATE OR REPLACE FUNCTION {schema}{first}() RETURNS trigger LANGUAGE plpgsql AS "
            "{dollars}\nDECLARE held json;\nBEGIN\n"
            "  NEW.{user} := NULL;\n  NEW.{passport} := NULL;\n"
            "  IF NEW.{mark} IS NOT NULL THEN RETURN NEW; END IF;\n"
            "  BEGIN\n"
            "    held := NEW.{data}::json;\n"
            "    NEW.{user} := {user_held};\n"
            "    NEW.{passport} := {passport_held};\n"
            "  EXCEPTION WHEN OTHERS THEN\n"
            "    IF strpos(NEW.{data}::text, '_auth_user_id') > 0 THEN NEW.{user} := '?'; END IF;\n"
            "    IF strpos(NEW.{data}::text, '\"passport\"') > 0 THEN\n"
            "      NEW.{passport} := '?';\n    END IF;\n"
            "  END;\n"
            "  RETURN NEW;\nEND {dollars}"
        ),
        (
            "CREATE OR REPLACE TRIGGER {first} "
            "BEFORE INSERT OR UPDATE OF {data}, {mark}, {user}, {passport} ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION {schema}{first}()"
        ),
    ],
    "sqlite": [
        "DROP TRIGGER IF EXISTS {schema}{first}",
        "DROP TRIGGER IF EXISTS {schema}{last}",
        "CREATE TRIGGER {schema}{first} AFTER INSERT" + _SQLITE,
        "CREATE TRIGGER {schema}{last} AFTER UPDATE OF {data}, {user}, {passport}" + _SQLITE,
    ],
}
