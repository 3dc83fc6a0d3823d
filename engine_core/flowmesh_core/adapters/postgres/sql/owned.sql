-- $1 member.
SELECT partition, epoch
FROM flowmesh.partition
WHERE owner = $1 AND EXISTS (SELECT FROM flowmesh.member WHERE member_id = $1)
ORDER BY partition
