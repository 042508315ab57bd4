-- scene: The coordinator adds gradients in the order of their units
-- Whatever arrives first, the sum is made in the order of the units. So N workers give the bits of one process.
-- watch: gradients
-- see also: sum_by_arrival

-- setup
CREATE TABLE gradients (unit int PRIMARY KEY, value float8 NOT NULL, arrived int GENERATED ALWAYS AS IDENTITY);
INSERT INTO gradients (unit, value) VALUES (1, 1e16);

-- session: ada
INSERT INTO gradients VALUES (2, -1e16);

-- session: bob
INSERT INTO gradients VALUES (3, 1);

-- promise: The sum is that of one process, which computes unit 1, 2, 3.
SELECT sum(value ORDER BY unit) = 1, sum(value ORDER BY unit) AS sum FROM gradients;
