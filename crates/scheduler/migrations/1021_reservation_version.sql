-- Whoever says that customers are to be reminded says of which version of their reservation.
GRANT SELECT (version) ON {schema}.reservation TO {schema}_worker;
