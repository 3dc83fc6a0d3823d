-- Which formats a member reads. Members that do not say so read the first one.
ALTER TABLE flowmesh.member
    ADD COLUMN oldest_format smallint NOT NULL DEFAULT 1,
    ADD COLUMN newest_format smallint NOT NULL DEFAULT 1;
