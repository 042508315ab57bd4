-- Exercise 6: one round. The task is in docs/exercises/6-one-round.md.
-- Write the three functions, and type `ganns exercise check 6`.
-- Load one_round_tables.sql first, then this file. You may load both again at any time.

-- Hand out the first unit in the state 'todo', of the lowest round: it is 'doing' then, with one attempt more, and has a
-- worker. Return its round, its number, and the number of this attempt. No row if there is no such unit.
CREATE OR REPLACE FUNCTION exercise.claim(worker_name text)
RETURNS TABLE (round_no int, unit_no int, attempt_no int)
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'exercise.claim() is still to be written';
END
$$;

-- Store the result of an attempt, and answer with the first of these that holds:
--   'late'       the round is not open: nothing changes;
--   'stored'     this attempt holds the unit, and has no result yet: the unit is now 'done';
--   'duplicate'  this attempt's result is already stored: nothing changes;
--   'stale'      this attempt does not hold the unit any more: nothing changes.
-- Workers that submit different units do not wait for each other.
CREATE OR REPLACE FUNCTION exercise.submit(round_no int, unit_no int, attempt_no int, result numeric) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'exercise.submit() is still to be written';
END
$$;

-- Close a round, and answer with the first of these that holds:
--   'closed before'  the round is not open: nothing changes;
--   'waiting'        it has fewer results than its quorum: nothing changes;
--   'closed'         all results that are stored are accepted; their mean is the version round_no + 1; units that are not
--                    'done' are 'cancelled'; the round is 'closed', and the next one is open, with the same quorum and
--                    the same numbers of units.
-- A result that was answered with 'stored' is accepted, or the round is not closed yet.
CREATE OR REPLACE FUNCTION exercise.close(round_no int) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'exercise.close() is still to be written';
END
$$;
