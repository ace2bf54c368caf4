"""Session tables as they are found: made by the peers' own code, by ORMs and by hand.

Each is called `sessions` for express-mysql-session, which can be told its columns, and `session`
for connect-pg-simple, which can not. What an ORM would run is printed with its source.
"""

from dataclasses import dataclass, field

ID = "session_id varchar(128) COLLATE utf8mb4_bin NOT NULL"
EXPIRES = "expires int unsigned NOT NULL"
DATA = "data mediumtext COLLATE utf8mb4_bin"
KEY = "PRIMARY KEY (session_id)"


@dataclass(frozen=True, slots=True)
class Table:
    """A table by its statements; `columns` are the names that Express is told for its own."""

    name: str
    sql: tuple[str, ...]
    works: bool
    columns: dict[str, str] = field(default_factory=dict)
    drop: str = "TABLE"
    mends: bool = True
    """Whether the statements that are told make it fit."""


def replaced(parts: dict[str, str], columns: tuple[str, ...]) -> str:
    """Return the columns with these in place of those of the same name; "" leaves the key out."""
    parts, key = dict(parts), parts[""]
    del parts[""]
    for column in columns:
        first = column.partition(" ")[0]
        if first in ("", "PRIMARY", "UNIQUE", "KEY"):
            key = column
        else:
            parts[first] = column
    return ", ".join(filter(None, [*parts.values(), key]))


def mysql(name: str, *columns: str, works: bool, after: str = "", mends: bool = True) -> Table:
    """Return Express's own table with other columns."""
    parts = {"session_id": ID, "expires": EXPIRES, "data": DATA, "": KEY}
    sql = f"CREATE TABLE sessions ({replaced(parts, columns)}) {after}"
    return Table(name, (sql,), works, mends=mends)


MYSQL = [
    mysql("express-mysql-session 2.1 to 3", works=True),
    mysql("express-mysql-session 1.1 to 2.0", "data text COLLATE utf8mb4_bin", works=False),
    Table(
        "express-mysql-session 0.1 to 1.0",
        (
            (
                "CREATE TABLE sessions (session_id varchar(255) COLLATE utf8_bin NOT NULL, "
                "expires int(11) unsigned NOT NULL, data text, PRIMARY KEY (session_id)) "
                "ENGINE=InnoDB DEFAULT CHARSET=utf8 COLLATE=utf8_bin"
            ),
        ),
        works=False,
    ),
    mysql("data json", "data json", works=True),
    mysql("data longtext", "data longtext COLLATE utf8mb4_bin NOT NULL", works=True),
    mysql("data varchar", "data varchar(4000)", works=False),
    mysql("data tinytext", "data tinytext", works=False),
    mysql("data mediumblob", "data mediumblob", works=False),
    mysql("data latin1", "data mediumtext CHARACTER SET latin1", works=False),
    mysql("data utf8mb3", "data mediumtext CHARACTER SET utf8mb3", works=False),
    mysql("data that folds", "data mediumtext COLLATE utf8mb4_unicode_ci", works=True),
    mysql(
        "data that is checked",
        "data mediumtext CHECK (length(data) < 9999)",
        works=False,
        mends=False,
    ),
    mysql(
        "data generated",
        "data mediumtext AS (concat(session_id, '')) STORED",
        works=False,
        mends=False,
    ),
    mysql("id of 20", "session_id varchar(20) COLLATE utf8mb4_bin NOT NULL", works=False),
    mysql("id of 32", "session_id varchar(32) COLLATE utf8mb4_bin NOT NULL", works=True),
    mysql("id char", "session_id char(64) COLLATE utf8mb4_bin NOT NULL", works=True),
    mysql("id that folds", "session_id varchar(128) COLLATE utf8mb4_general_ci", works=False),
    mysql("id ascii", "session_id varchar(128) CHARACTER SET ascii COLLATE ascii_bin", works=True),
    mysql("id varbinary", "session_id varbinary(128)", works=True),
    mysql("id int", "session_id int", works=False),
    mysql(
        "id text",
        "session_id text COLLATE utf8mb4_bin",
        "PRIMARY KEY (session_id(128))",
        works=True,
    ),
    mysql("no key", "", works=False),
    mysql("an index, no key", "KEY (session_id)", works=False),
    mysql("unique", "UNIQUE KEY k (session_id)", works=True),
    mysql("unique with expires", "UNIQUE KEY k (session_id, expires)", works=False),
    mysql("unique in part", "UNIQUE KEY k (session_id(20))", works=False, mends=False),
    mysql("unique expires", "expires int unsigned NOT NULL UNIQUE", works=False, mends=False),
    mysql(
        "number as key", "n int AUTO_INCREMENT PRIMARY KEY", "UNIQUE KEY k (session_id)", works=True
    ),
    mysql("column without a default", "site varchar(9) NOT NULL", works=False),
    mysql(
        "columns with defaults", "a int NOT NULL DEFAULT 3", "b timestamp DEFAULT now()", works=True
    ),
    mysql("unique with a constant", "a int DEFAULT 3 UNIQUE", works=False, mends=False),
    mysql("expires int", "expires int NOT NULL", works=True),
    mysql("expires bigint", "expires bigint NOT NULL", works=True),
    mysql("expires null", "expires int unsigned NULL", works=True),
    mysql("expires decimal", "expires decimal(10,0)", works=True),
    mysql("expires decimal(12,2)", "expires decimal(12,2)", works=True),
    mysql("expires decimal(10,2)", "expires decimal(10,2)", works=False),
    mysql("expires double", "expires double", works=True),
    mysql("expires float", "expires float", works=False),
    mysql("expires mediumint", "expires mediumint unsigned", works=False),
    mysql("expires varchar", "expires varchar(20)", works=True),
    mysql("expires datetime", "expires datetime", works=False),
    mysql("expires timestamp", "expires timestamp NULL", works=False),
    mysql("expires date", "expires date", works=False),
    mysql("MyISAM", works=True, after="ENGINE=MyISAM"),
    mysql("MyISAM, data json", "data json", works=True, after="ENGINE=MyISAM"),
    mysql(
        "MyISAM, unique with a constant",
        "a int DEFAULT 3 UNIQUE",
        works=False,
        after="ENGINE=MyISAM",
        mends=False,
    ),
    mysql(
        "MyISAM, expires decimal(10,2)",
        "expires decimal(10,2)",
        works=False,
        after="ENGINE=MyISAM",
    ),
    mysql(
        "MyISAM, data that is checked",
        "data mediumtext CHECK (length(data) < 9999)",
        works=False,
        after="ENGINE=MyISAM",
        mends=False,
    ),
    Table(
        "a view of MyISAM",
        (
            f"CREATE TABLE sessions_below ({ID}, {EXPIRES}, {DATA}, {KEY}) ENGINE=MyISAM",
            "CREATE VIEW sessions AS SELECT * FROM sessions_below",
        ),
        works=True,
        drop="VIEW",
    ),
    mysql("partitions", works=True, after="PARTITION BY KEY (session_id) PARTITIONS 3"),
    Table(
        "a view",
        (
            f"CREATE TABLE sessions_below ({ID}, {EXPIRES}, {DATA}, {KEY})",
            "CREATE VIEW sessions AS SELECT * FROM sessions_below",
        ),
        works=True,
        drop="VIEW",
    ),
    Table(
        # lib/model.js of connect-session-sequelize 7.1: STRING(36), DATE, TEXT, and timestamps.
        "connect-session-sequelize",
        (
            (
                "CREATE TABLE IF NOT EXISTS `sessions` (`sid` VARCHAR(36), `expires` DATETIME, "
                "`data` TEXT, `createdAt` DATETIME NOT NULL, `updatedAt` DATETIME NOT NULL, "
                "PRIMARY KEY (`sid`)) ENGINE=InnoDB"
            ),
        ),
        works=False,
        columns={"session_id": "sid"},
    ),
    Table(
        # The entity in the README of connect-typeorm 2.0.
        "connect-typeorm",
        (
            (
                "CREATE TABLE `sessions` (`expiredAt` bigint NOT NULL, `id` varchar(255) NOT NULL, "
                "`json` text NOT NULL, `destroyedAt` datetime(6) NULL, "
                "INDEX `IDX_28c5d1d16da7908c97c9bc2f74` (`expiredAt`), PRIMARY KEY (`id`)) "
                "ENGINE=InnoDB"
            ),
        ),
        works=False,
        columns={"session_id": "id", "data": "json", "expires": "expiredAt"},
    ),
    Table(
        # `prisma migrate` of the model in the README of @quixo3/prisma-session-store 3.1.
        "prisma-session-store",
        (
            (
                "CREATE TABLE `sessions` (`id` VARCHAR(191) NOT NULL, `sid` VARCHAR(191) NOT NULL, "
                "`data` MEDIUMTEXT NOT NULL, `expiresAt` DATETIME(3) NOT NULL, "
                "UNIQUE INDEX `Session_sid_key`(`sid`), PRIMARY KEY (`id`)) "
                "DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"
            ),
        ),
        works=False,
        mends=False,
        columns={"session_id": "sid", "expires": "expiresAt"},
    ),
    Table(
        # createTable of connect-session-knex 2.1 and 4.0.
        "connect-session-knex",
        (
            (
                "create table `sessions` (`sid` varchar(255) not null, `sess` json not null, "
                "`expired` datetime not null)"
            ),
            "alter table `sessions` add primary key `sessions_sid_primary`(`sid`)",
            "alter table `sessions` add index `sessions_expired_index`(`expired`)",
        ),
        works=False,
        columns={"session_id": "sid", "data": "sess", "expires": "expired"},
    ),
]

SID = 'sid varchar NOT NULL COLLATE "default"'
SESS = "sess json NOT NULL"
EXPIRE = "expire timestamp(6) NOT NULL"
PG_KEY = "PRIMARY KEY (sid)"


def postgresql(
    name: str,
    *columns: str,
    works: bool,
    before: tuple[str, ...] = (),
    after: str = "",
    then: tuple[str, ...] = (),
    kind: str = "TABLE",
    mends: bool = True,
) -> Table:
    """Return Express's own table with other columns."""
    parts = {"sid": SID, "sess": SESS, "expire": EXPIRE, "": PG_KEY}
    sql = f"CREATE {kind} session ({replaced(parts, columns)}) {after}"
    return Table(name, (*before, sql, *then), works, mends=mends)


POSTGRESQL = [
    postgresql("connect-pg-simple 3 to 5", works=True),
    postgresql(
        "connect-pg-simple 6 to 10",
        works=True,
        then=('CREATE INDEX "IDX_session_expire" ON "session" ("expire")',),
    ),
    postgresql("sess jsonb", "sess jsonb NOT NULL", works=True),
    postgresql("sess text", "sess text", works=True),
    postgresql("sess varchar", "sess varchar", works=True),
    postgresql("sess varchar of 4000", "sess varchar(4000)", works=False),
    postgresql("sess bytea", "sess bytea", works=False),
    postgresql("sess int", "sess int", works=False, mends=False),
    postgresql(
        "sess checked", "sess json CHECK (length(sess::text) < 9999)", works=False, mends=False
    ),
    postgresql(
        "sess of a domain",
        "sess kept NOT NULL",
        works=True,
        before=("DROP DOMAIN IF EXISTS kept", "CREATE DOMAIN kept AS jsonb"),
    ),
    postgresql("expire timestamptz", "expire timestamptz NOT NULL", works=True),
    postgresql("expire timestamptz(6)", "expire timestamptz(6)", works=True),
    postgresql("expire timestamp", "expire timestamp", works=True),
    postgresql("expire timestamp(0)", "expire timestamp(0)", works=True),
    postgresql("expire date", "expire date NOT NULL", works=False),
    postgresql("expire time", "expire time", works=False, mends=False),
    postgresql("expire bigint", "expire bigint NOT NULL", works=False),
    postgresql("expire int", "expire int NOT NULL", works=False),
    postgresql("expire varchar", "expire varchar", works=False),
    postgresql("sid of 20", "sid varchar(20)", works=False),
    postgresql("sid of 32", "sid varchar(32)", works=True),
    postgresql("sid char", "sid char(64)", works=True),
    postgresql("sid text", "sid text", works=True),
    postgresql("sid uuid", "sid uuid", works=False),
    postgresql("sid int", "sid int", works=False),
    postgresql(
        "sid that folds",
        "sid varchar(128) COLLATE folding",
        works=False,
        before=(
            (
                "CREATE COLLATION IF NOT EXISTS folding "
                "(provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
            ),
        ),
    ),
    postgresql("no key", "", works=False),
    postgresql("unique", "UNIQUE (sid)", works=True),
    postgresql("deferrable key", "PRIMARY KEY (sid) DEFERRABLE", works=False, mends=False),
    postgresql("key with expire", "PRIMARY KEY (sid, expire)", works=False),
    postgresql(
        "unique in part",
        "",
        works=False,
        then=("CREATE UNIQUE INDEX ON session (sid) WHERE expire > '2000-01-01'",),
    ),
    postgresql(
        "unique without case",
        works=False,
        then=("CREATE UNIQUE INDEX ON session (lower(sid))",),
        mends=False,
    ),
    postgresql("unique expire", "expire timestamp(6) UNIQUE", works=False, mends=False),
    postgresql("number as key", "n serial PRIMARY KEY", "UNIQUE (sid)", works=True),
    postgresql("column without a default", "site text NOT NULL", works=False),
    postgresql(
        "columns with defaults", "a int NOT NULL DEFAULT 3", "b date DEFAULT now()", works=True
    ),
    postgresql("generated beside", "u text GENERATED ALWAYS AS (sess->>'u') STORED", works=True),
    postgresql("unlogged", works=True, kind="UNLOGGED TABLE"),
    postgresql(
        "partitions by id",
        works=True,
        after="PARTITION BY HASH (sid)",
        then=(
            "CREATE TABLE s0 PARTITION OF session FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
            "CREATE TABLE s1 PARTITION OF session FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        ),
    ),
    Table(
        "a view",
        (
            f"CREATE TABLE session_below ({SID}, {SESS}, {EXPIRE}, {PG_KEY})",
            "CREATE VIEW session AS SELECT * FROM session_below",
        ),
        works=True,
        drop="VIEW",
    ),
    Table(
        # lib/model.js of connect-session-sequelize 7.1: STRING(36), DATE, TEXT, and timestamps.
        "connect-session-sequelize",
        (
            (
                'CREATE TABLE IF NOT EXISTS "session" ("sid" VARCHAR(36), '
                '"expires" TIMESTAMP WITH TIME ZONE, "data" TEXT, '
                '"createdAt" TIMESTAMP WITH TIME ZONE NOT NULL, '
                '"updatedAt" TIMESTAMP WITH TIME ZONE NOT NULL, PRIMARY KEY ("sid"))'
            ),
        ),
        works=False,
        mends=False,
    ),
    Table(
        # The entity in the README of connect-typeorm 2.0.
        "connect-typeorm",
        (
            (
                'CREATE TABLE "session" ("expiredAt" bigint NOT NULL, '
                '"id" character varying(255) NOT NULL, "json" text NOT NULL, '
                '"destroyedAt" TIMESTAMP, '
                'CONSTRAINT "PK_f55da76ac1c3ac420f444d2ff11" PRIMARY KEY ("id"))'
            ),
            'CREATE INDEX "IDX_28c5d1d16da7908c97c9bc2f74" ON "session" ("expiredAt")',
        ),
        works=False,
        mends=False,
    ),
    Table(
        # `prisma migrate` of a model for connect-pg-simple, from Prisma's discussions:
        # model session { sid String @id @db.VarChar, sess Json @db.Json,
        #                 expire DateTime @db.Timestamp(6) @@index([expire]) }
        "prisma for connect-pg-simple",
        (
            (
                'CREATE TABLE "session" ("sid" VARCHAR NOT NULL, "sess" JSON NOT NULL, '
                '"expire" TIMESTAMP(6) NOT NULL, CONSTRAINT "session_pkey" PRIMARY KEY ("sid"))'
            ),
            'CREATE INDEX "IDX_session_expire" ON "session"("expire")',
        ),
        works=True,
    ),
    Table(
        # TypeORM's entity for connect-pg-simple, as it is passed around:
        # @PrimaryColumn("varchar") sid, @Column("json") sess, @Column("timestamp", {precision: 6})
        "typeorm for connect-pg-simple",
        (
            (
                'CREATE TABLE "session" ("sid" character varying NOT NULL, "sess" json NOT NULL, '
                '"expire" TIMESTAMP(6) NOT NULL, '
                'CONSTRAINT "PK_7575923e18b495ed2307ae629ae" PRIMARY KEY ("sid"))'
            ),
        ),
        works=True,
    ),
    Table(
        # createTable of connect-session-knex 2.1 and 4.0.
        "connect-session-knex",
        (
            (
                'create table "session" ("sid" varchar(255) not null, "sess" json not null, '
                '"expired" timestamptz not null)'
            ),
            'alter table "session" add constraint "sessions_pkey" primary key ("sid")',
        ),
        works=False,
        mends=False,
    ),
]


def sqlite(name: str, *columns: str, works: bool, mends: bool = True) -> Table:
    """Return the table that is made on SQLite, for which there is no Node store, with others."""
    parts = {"session_id": "session_id text", "expires": "expires integer", "data": "data text"}
    sql = f"CREATE TABLE sessions ({replaced({**parts, '': KEY}, columns)})"
    return Table(name, (sql,), works, mends=mends)


SQLITE = [
    sqlite("as it is made", works=True),
    sqlite("no types", "session_id", "expires", "data", works=True),
    sqlite("expires as text", "expires varchar(20)", works=True),
    sqlite("expires as date", "expires datetime", works=True),
    sqlite("id that folds", "session_id text COLLATE NOCASE", works=False, mends=False),
    sqlite("no key", "", works=False),
    sqlite("unique", "UNIQUE (session_id)", works=True),
    sqlite("column without a default", "site text NOT NULL", works=False, mends=False),
    sqlite("data checked", "data text CHECK (length(data) < 9999)", works=False, mends=False),
    sqlite("unique expires", "expires integer UNIQUE", works=False, mends=False),
]

TABLES = {"mysql": MYSQL, "postgresql": POSTGRESQL, "sqlite": SQLITE}
