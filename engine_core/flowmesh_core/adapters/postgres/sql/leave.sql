-- $1 member. Partitions of a member that is not there are free.
DELETE FROM flowmesh.member WHERE member_id = $1
