-- scene: The coordinator adds gradients in the order in which they arrive
-- Floating-point numbers are rounded after each addition, so a sum depends on the order: (1e16 + 1) - 1e16 is 0, but
-- (1e16 - 1e16) + 1 is 1. Here the order is the order of arrival, which is different each time.
-- watch: gradients
-- see also: sum_by_unit

-- setup
CREATE TABLE gradients (unit int PRIMARY KEY, value float8 NOT NULL, arrived int GENERATED ALWAYS AS IDENTITY);
INSERT INTO gradients (unit, value) VALUES (1, 1e16);

-- session: ada
INSERT INTO gradients VALUES (2, -1e16);

-- session: bob
INSERT INTO gradients VALUES (3, 1);

-- promise: The sum is that of one process, which computes unit 1, 2, 3.
SELECT sum(value ORDER BY arrived) = 1, sum(value ORDER BY arrived) AS sum FROM gradients;
