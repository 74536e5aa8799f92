-- consentmilter on PostgreSQL: three roles, and exactly what each may do.
--
--   consentmilter_migrate  makes and changes the tables: `consentmilter init`, `consentmilter store`
--   consentmilter_write    changes the list: web, intake, every other command, and what the milter does
--   consentmilter_milter   the mail path alone: looks up, journals, counts exempt mail, fills in addresses
--
-- Run it as a superuser in the database of the store, before `consentmilter init`, and again after it and after every
-- upgrade: what it grants is on tables that are there. To run it more often changes nothing.
--
--   createdb consent
--   psql -d consent -f roles.sql
--   consentmilter init                  (store.url with the user consentmilter_migrate)
--   psql -d consent -f roles.sql
--
-- No role has a password, so none can log in with one: set it with `\password`, or let pg_hba.conf know them otherwise.

DO $roles$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['consentmilter_migrate', 'consentmilter_write', 'consentmilter_milter'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', name);
        END IF;
    END LOOP;
END
$roles$;

-- One service that does everything has one role for it.
GRANT consentmilter_milter TO consentmilter_write;

-- Nobody else may do anything here, and each of them nothing but what comes below.
DO $database$
DECLARE
    base text := quote_ident(current_database());
    space text := quote_ident(current_schema());
    ours text := 'consentmilter_migrate, consentmilter_write, consentmilter_milter';
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %s FROM PUBLIC, %s', base, ours);
    EXECUTE format('GRANT CONNECT ON DATABASE %s TO %s', base, ours);
    -- An import stages its rows in a temporary table.
    EXECUTE format('GRANT TEMPORARY ON DATABASE %s TO consentmilter_migrate, consentmilter_write', base);
    EXECUTE format('REVOKE ALL ON SCHEMA %s FROM PUBLIC, %s', space, ours);
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO %s', space, ours);
    EXECUTE format('GRANT CREATE ON SCHEMA %s TO consentmilter_migrate', space);
END
$database$;

DO $tables$
DECLARE
    item record;
BEGIN
    FOR item IN SELECT * FROM (VALUES
        -- Table, what consentmilter_write may, what consentmilter_milter may.

        -- Is it this program's database, and were the same keys used?
        ('schema_version', 'SELECT', 'SELECT'),
        ('journal_version', 'SELECT', 'SELECT'),
        ('key_check', 'SELECT', 'SELECT'),

        -- The list. The milter fills in an address where a row has none, and changes nothing else of it.
        ('suppression', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, UPDATE (address)'),
        ('hash_suppression', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT'),
        ('consent', 'SELECT, INSERT, UPDATE', 'SELECT'),
        ('import_batch', 'SELECT, INSERT, UPDATE', NULL),
        ('stream_name', 'SELECT, INSERT', NULL),

        -- The ledger: nobody updates or deletes. Evidence can be blanked, which is all that its trigger lets happen.
        ('ledger', 'SELECT, INSERT', NULL),
        ('ledger_evidence', 'SELECT, INSERT, UPDATE (salt, data)', NULL),
        ('seal', 'SELECT, INSERT', NULL),
        ('ledger_end', 'SELECT', NULL),

        -- What is kept of people for a time.
        ('legal_hold', 'SELECT, INSERT, DELETE', NULL),
        ('review', 'SELECT, INSERT, UPDATE, DELETE', NULL),
        ('confirmation', 'SELECT, INSERT, UPDATE, DELETE', NULL),
        ('soft_bounce', 'SELECT, INSERT, UPDATE, DELETE', NULL),

        -- What the milter counts, what it withholds, and its verdicts, which it does not read; prune removes them, and
        -- erasure takes the person's key out.
        ('exemption_use', 'SELECT', 'SELECT, INSERT, UPDATE (count)'),
        ('dkim_check', 'SELECT, INSERT, UPDATE', 'SELECT'),
        ('journal', 'SELECT, DELETE, UPDATE (subject)', 'INSERT, SELECT (id)')
    ) AS wanted (name, for_write, for_milter) LOOP
        CONTINUE WHEN to_regclass(item.name) IS NULL;
        -- Whoever made it, it belongs to the role that changes it.
        EXECUTE format('ALTER TABLE %I OWNER TO consentmilter_migrate', item.name);
        EXECUTE format('REVOKE ALL ON %I FROM PUBLIC, consentmilter_write, consentmilter_milter', item.name);
        EXECUTE format('GRANT %s ON %I TO consentmilter_write', item.for_write, item.name);
        IF item.for_milter IS NOT NULL THEN
            EXECUTE format('GRANT %s ON %I TO consentmilter_milter', item.for_milter, item.name);
        END IF;
    END LOOP;

    -- Numbers of new rows.
    FOR item IN SELECT * FROM (VALUES
        ('ledger_id_seq', 'consentmilter_write'),
        ('journal_id_seq', 'consentmilter_milter')
    ) AS wanted (name, grantee) LOOP
        CONTINUE WHEN to_regclass(item.name) IS NULL;
        EXECUTE format('REVOKE ALL ON SEQUENCE %I FROM PUBLIC, consentmilter_write, consentmilter_milter', item.name);
        EXECUTE format('GRANT USAGE ON SEQUENCE %I TO %I', item.name, item.grantee);
    END LOOP;

    -- The guards of the ledger run with the rights of their owner, whoever appends.
    FOR item IN SELECT * FROM (VALUES ('ledger_refuse()'), ('ledger_turn()'), ('ledger_given()')) AS wanted (name) LOOP
        CONTINUE WHEN to_regprocedure(item.name) IS NULL;
        EXECUTE format('ALTER FUNCTION %s OWNER TO consentmilter_migrate', item.name);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', item.name);
    END LOOP;
END
$tables$;
