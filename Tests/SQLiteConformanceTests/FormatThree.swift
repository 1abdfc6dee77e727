/// What makes a file of the format before of one of this format.
enum FormatThree {
    static let downgradeSQL = """
        DROP INDEX instances_by_name; DROP INDEX instances_by_parent; DROP INDEX instances_by_age; DROP TABLE tags;
        ALTER TABLE instances DROP COLUMN end_is_exact; ALTER TABLE instances DROP COLUMN ended_at;
        ALTER TABLE instances DROP COLUMN parent; ALTER TABLE instances DROP COLUMN tags;
        ALTER TABLE store_state DROP COLUMN expired_before;
        """
}
