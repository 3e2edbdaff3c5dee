-- pipeline.lua – wrk asks for /fast 16 times in each write.
local depth = 16

function init()
  local requests = {}
  for i = 1, depth do
    requests[i] = wrk.format("GET", "/fast")
  end
  pipeline = table.concat(requests)
end

function request()
  return pipeline
end
