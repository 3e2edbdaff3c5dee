-- wrk_report.lua – the last line of wrk's output becomes one JSON object.
--
--   wrk ... -s loadtest/wrk_report.lua URL [-- kernel]
--
-- With the argument `kernel` it also reads the `run_ms` of every /heavy answer: how long one kernel
-- really ran. (Without it no `response` function exists, so that wrk does not spend time on one.)
--
-- wrk is a closed loop: what it says of latency leaves out the requests that it did not send while it
-- waited. It also drops answers later than --timeout and does not count unanswered ones.

local threads = {}

function setup(thread)
    table.insert(threads, thread)
end

function init(args)
    runs = ""
    if args[1] == "kernel" then
        response = function(status, headers, body)
            local run = body:match('"run_ms"%s*:%s*([%d.]+)')
            if run then
                runs = runs .. run .. " "
            end
        end
    end
end

-- All values of run_ms, sorted. Threads hand over strings and numbers only, hence the string.
local function kernel_runs()
    local all = {}
    for _, thread in ipairs(threads) do
        for run in thread:get("runs"):gmatch("%S+") do
            table.insert(all, tonumber(run))
        end
    end
    table.sort(all)
    return all
end

local function kernel_json()
    local runs = kernel_runs()
    if #runs == 0 then
        return ""
    end
    return string.format(',"run_min_ms":%.3f,"run_p50_ms":%.3f,"run_max_ms":%.3f,"runs":%d', runs[1],
        runs[math.ceil(#runs / 2)], runs[#runs], #runs)
end

function done(summary, latency, requests)
    local errors = summary.errors
    local lost = errors.connect + errors.read + errors.write
    io.write(string.format(
        '{"count":%d,"rate":%.1f,"errors":%d,"timeouts":%d,"non_2xx":%d,' ..
        '"p50_ms":%.3f,"p90_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f%s}\n',
        summary.requests, summary.requests / (summary.duration / 1e6), lost, errors.timeout,
        errors.status, latency:percentile(50) / 1e3, latency:percentile(90) / 1e3,
        latency:percentile(99) / 1e3, latency.max / 1e3, kernel_json()))
end
