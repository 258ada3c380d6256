"""Simulate the small, coherent world used by the evalkit reference cases.

Deterministic given the arguments; needs numpy and pandas only.  Every value is
rounded to at most six decimals before it is written, so reading the CSV gives
exactly the numbers that the reference programs saw.  All data are invented.

    python make_data.py --seed 1 --out data
"""

import argparse
import os

import numpy as np
import pandas as pd

T = 10  # years in the main panel
COHORT_LAGS = (3, 4, 5, 7)  # first treated = first year + lag
COHORT_SHARE = (0.17, 0.09, 0.19, 0.13)  # the rest is never treated


def rng_for(seed, stream):
    """One independent stream a file: adding a file never changes another."""
    return np.random.default_rng(np.random.SeedSequence([seed, stream]))


def save(df, out, name):
    df = df.copy()
    for c in df.columns:
        if df[c].dtype.kind == "f":
            df[c] = df[c].round(6) + 0.0
    df.to_csv(os.path.join(out, name), index=False, lineterminator="\n")
    print(f"{name:32s} {len(df):6d} rows {len(df.columns):3d} columns")


# ---------------------------------------------------------------- main world
def villages(seed, a):
    r = rng_for(seed, 1)
    n = a.villages
    vid = np.arange(1, n + 1)
    county = (vid - 1) // (n // a.counties) + 1
    pref = (county - 1) // (a.counties // a.prefectures) + 1
    plat = 25.0 + 0.9 * (np.arange(a.prefectures) // 2) + r.normal(0, 0.1, a.prefectures)
    plon = 104.0 + 1.1 * (np.arange(a.prefectures) % 4) + r.normal(0, 0.1, a.prefectures)
    clat = plat[(np.arange(a.counties)) // (a.counties // a.prefectures)] + r.normal(0, 0.28, a.counties)
    clon = plon[(np.arange(a.counties)) // (a.counties // a.prefectures)] + r.normal(0, 0.28, a.counties)
    v = pd.DataFrame({"village_id": vid, "county_id": county, "prefecture_id": pref})
    v["lat"] = clat[county - 1] + r.normal(0, 0.09, n)
    v["lon"] = clon[county - 1] + r.normal(0, 0.09, n)
    cpov = r.normal(0, 0.35, a.counties)
    lat_pov = cpov[county - 1] + r.normal(0, 0.8, n)
    v["base_poverty"] = (1 / (1 + np.exp(1.1 - 0.9 * lat_pov))).round(4)
    v["labour_share"] = np.clip(0.55 - 0.05 * lat_pov + r.normal(0, 0.08, n), 0.2, 0.9).round(4)
    v["distance_km"] = np.exp(2.3 + 0.25 * lat_pov + r.normal(0, 0.45, n)).round(2)
    v["households"] = np.clip(np.exp(4.6 + r.normal(0, 0.5, n)), 15, 600).round().astype(int)
    # poor villages are treated more often and earlier
    score = 0.9 * lat_pov + 0.5 * (v["distance_km"] > 12) + r.logistic(0, 0.8, n)
    order = np.argsort(-score.to_numpy(), kind="stable")
    first = np.zeros(n, int)
    k = 0
    for lag, share in zip(COHORT_LAGS, COHORT_SHARE, strict=False):
        m = round(share * n)
        first[order[k : k + m]] = a.first_year + lag
        k += m
    v["first_treated"] = first
    return v, lat_pov


def effect(first, year, base_poverty, first_year):
    """Heterogeneous by cohort, growing with exposure, larger in poor villages."""
    e = year - first
    lag = first - first_year
    on = (first > 0) & (e >= 0)
    size = np.select([lag == 3, lag == 4, lag == 5, lag == 7, lag == 0], [0.05, 0.09, 0.03, 0.12, 0.06], 0.0)
    return np.where(on, size + (0.012 + 0.004 * (lag == 3)) * np.minimum(e, 5) + 0.05 * (base_poverty - 0.25), 0.0)


def panel(seed, a, v, lat_pov, first=None, stream=2):
    r = rng_for(seed, stream)
    n = len(v)
    years = np.arange(a.first_year, a.first_year + T)
    if first is None:
        first = v["first_treated"].to_numpy()
    alpha = 8.7 - 0.28 * lat_pov - 0.004 * v["distance_km"].to_numpy() + r.normal(0, 0.18, n)
    cshock = r.normal(0, 0.025, (a.counties, T))
    pshock = np.cumsum(r.normal(0, 0.015, (a.prefectures, T)), axis=1)
    prain = r.normal(0, 1, (a.prefectures, T))
    rain = prain[v["prefecture_id"].to_numpy() - 1] + r.normal(0, 0.5, (n, T))
    eps = np.zeros((n, T))
    eps[:, 0] = r.normal(0, 0.07, n)
    for t in range(1, T):
        eps[:, t] = 0.45 * eps[:, t - 1] + r.normal(0, 0.06, n)
    lam = 0.075 * np.arange(T) + np.array([0, 0.01, -0.02, 0.015, 0, 0.02, -0.01, 0.01, 0.03, 0.02])
    bp = v["base_poverty"].to_numpy()
    ls = v["labour_share"].to_numpy()
    frames = []
    c = v["county_id"].to_numpy() - 1
    p = v["prefecture_id"].to_numpy() - 1
    visit_fe = r.normal(1.5, 0.45, n)
    visit_fe[r.choice(n, 4, replace=False)] = -6.0  # villages that almost never record a visit
    for j, y in enumerate(years):
        tau = effect(first, y, bp, a.first_year)
        li = (
            alpha
            + lam[j]
            + 0.03 * j * (bp - 0.25)
            - 0.02 * j * (ls - 0.5)
            + 0.02 * rain[:, j]
            + cshock[c, j]
            + pshock[p, j]
            + eps[:, j]
            + tau
        )
        income = np.exp(li).round(2)
        cons = (income * np.exp(-0.35 + 0.04 * r.normal(size=n)) + 150).round(2)
        mu = np.exp(visit_fe + 0.03 * j + 0.06 * rain[:, j] + 0.9 * tau + 0.5 * cshock[c, j])
        visits = r.poisson(mu)
        f = v.copy()
        f["first_treated"] = first
        f["year"] = y
        f["treated"] = ((first > 0) & (y >= first)).astype(int)
        f["rainfall"] = rain[:, j].round(4)
        f["income"] = income
        f["log_income"] = np.log(income).round(6)
        f["consumption"] = cons
        f["visits"] = visits
        frames.append(f)
    d = pd.concat(frames).sort_values(["village_id", "year"], kind="stable").reset_index(drop=True)
    cols = [
        "village_id",
        "county_id",
        "prefecture_id",
        "year",
        "lat",
        "lon",
        "first_treated",
        "treated",
        "income",
        "log_income",
        "consumption",
        "visits",
        "labour_share",
        "distance_km",
        "base_poverty",
        "rainfall",
        "households",
    ]
    return d[cols]


def main_files(seed, a, out):
    v, lp = villages(seed, a)
    d = panel(seed, a, v, lp)
    save(d, out, "panel.csv")
    r = rng_for(seed, 3)
    # unbalanced: 8% of rows at random, five villages without the first two years
    u = d.copy()
    late = r.choice(v["village_id"], 5, replace=False)
    keep = ~(u["village_id"].isin(late) & (u["year"] < a.first_year + 2)) & (r.random(len(u)) >= 0.08)
    save(u[keep], out, "panel_unbalanced.csv")
    save(d[d["first_treated"] > 0], out, "panel_no_never.csv")
    first = v["first_treated"].to_numpy().copy()
    never = np.flatnonzero(first == 0)
    first[r.choice(never, max(8, a.villages // 20), replace=False)] = a.first_year
    save(panel(seed, a, v, lp, first=first, stream=2), out, "panel_first_period_treated.csv")
    # repeated cross-sections: other households every year
    m = a.households // T
    rows = []
    hid = 1
    idx = d.set_index(["village_id", "year"])["log_income"]
    pw = v["households"].to_numpy() / v["households"].sum()
    for y in range(a.first_year, a.first_year + T):
        s = v.iloc[r.choice(len(v), m, p=0.5 * pw + 0.5 / len(v))]
        g = pd.DataFrame({"household_id": np.arange(hid, hid + m), "year": y})
        hid += m
        for c in ("village_id", "county_id", "first_treated", "labour_share", "base_poverty"):
            g[c] = s[c].to_numpy()
        g["hh_size"] = 1 + r.poisson(2.6, m)
        g["head_age"] = np.clip(r.normal(50, 11, m), 20, 85).round().astype(int)
        g["log_income"] = (
            idx.loc[list(zip(g["village_id"], g["year"], strict=False))].to_numpy()
            - 0.05 * (g["hh_size"] - 3.6)
            + 0.004 * (g["head_age"] - 50)
            + r.normal(0, 0.25, m)
        ).round(6)
        g["weight"] = np.round(0.5 + r.gamma(4, 0.25, m), 4)
        rows.append(g)
    save(pd.concat(rows), out, "repeated_cs.csv")
    return v, lp


# ------------------------------------------------------------ special designs
def reversal(seed, a, out):
    """Binary treatment that switches on and off."""
    r = rng_for(seed, 4)
    n = int(a.villages * 0.75)
    years = np.arange(a.first_year, a.first_year + T)
    D = np.zeros((n, T), int)
    kind = np.array(["never", "stay", "onoff", "onoffon", "leave", "always"])
    share = np.array([0.40, 0.25, 0.14, 0.07, 0.07, 0.07])
    cnt = np.round(share * n).astype(int)
    cnt[0] = n - cnt[1:].sum()
    k = np.repeat(kind, cnt)
    for i in range(n):
        s = int(r.integers(3, 7))
        if k[i] == "stay":
            D[i, s:] = 1
        elif k[i] == "onoff":
            D[i, s : s + int(r.integers(1, 4))] = 1
        elif k[i] == "onoffon":
            D[i, s : s + 2] = 1
            D[i, s + 3 :] = 1
        elif k[i] == "leave":
            D[i, :s] = 1
        elif k[i] == "always":
            D[i, :] = 1
    r.shuffle(D)
    fe = r.normal(8.5, 0.4, n)
    rain = r.normal(size=(n, T))
    eps = r.normal(0, 0.1, (n, T))
    carry = np.zeros(n)
    rows = []
    county = np.arange(n) % (a.counties // 2) + 1
    w = r.integers(20, 300, n)
    for j, y in enumerate(years):
        carry = 0.5 * carry + 0.05 * D[:, j]
        rows.append(
            pd.DataFrame(
                {
                    "village_id": np.arange(1, n + 1),
                    "county_id": county,
                    "year": y,
                    "treatment": D[:, j],
                    "rainfall": rain[:, j].round(4),
                    "log_income": (fe + 0.06 * j + 0.08 * D[:, j] + carry + 0.02 * rain[:, j] + eps[:, j]).round(6),
                    "households": w,
                }
            )
        )
    save(pd.concat(rows).sort_values(["village_id", "year"]), out, "reversal.csv")


def dose(seed, a, out):
    r = rng_for(seed, 5)
    n = a.villages
    tr = r.random(n) < 0.55
    ds = np.where(tr, (0.1 + 0.9 * r.beta(2, 2, n)).round(4), 0.0)
    fe = r.normal(8.5, 0.35, n) + 0.2 * ds
    x = r.normal(size=n).round(4)
    county = np.arange(n) % a.counties + 1
    rows = []
    for t in (0, 1):
        y = fe + 0.1 * t + t * (0.05 * tr + 0.35 * ds - 0.18 * ds**2) + 0.04 * t * x + r.normal(0, 0.08, n)
        rows.append(
            pd.DataFrame(
                {
                    "village_id": np.arange(1, n + 1),
                    "county_id": county,
                    "year": a.first_year + t,
                    "first_treated": np.where(tr, a.first_year + 1, 0),
                    "dose": ds,
                    "x": x,
                    "log_income": y.round(6),
                }
            )
        )
    save(pd.concat(rows).sort_values(["village_id", "year"]), out, "dose_two.csv")
    # many periods, staggered: dose is the intensity the village gets once treated
    Tm = 5
    g = np.where(tr, a.first_year + r.integers(1, 4, n), 0)
    eps = r.normal(0, 0.08, (n, Tm))
    rows = []
    for t in range(Tm):
        y = a.first_year + t
        on = (g > 0) & (y >= g)
        e = np.where(on, y - g, 0)
        out_ = fe + 0.07 * t + on * (0.04 + (0.3 + 0.05 * e) * ds - 0.15 * ds**2) + eps[:, t]
        rows.append(
            pd.DataFrame(
                {
                    "village_id": np.arange(1, n + 1),
                    "county_id": county,
                    "year": y,
                    "first_treated": g,
                    "dose": ds,
                    "treatment": np.where(on, ds, 0.0),
                    "x": x,
                    "log_income": out_.round(6),
                }
            )
        )
    save(pd.concat(rows).sort_values(["village_id", "year"]), out, "dose_multi.csv")


def triple(seed, a, out):
    """Eligible and non-eligible households within enabled and other villages."""
    r = rng_for(seed, 6)
    n = a.villages * 2
    Tm = 6
    vid = np.arange(n) // 2 + 1
    elig = (r.random(n) < 0.5).astype(int)
    first_v = r.choice([0, a.first_year + 2, a.first_year + 4], a.villages, p=[0.4, 0.35, 0.25])
    first = first_v[vid - 1]
    vfe = r.normal(8.4, 0.3, a.villages)
    vtrend = r.normal(0, 0.01, a.villages) + 0.02 * (first_v > 0)
    x1 = r.normal(size=n).round(4)
    x2 = r.normal(size=n).round(4)
    county = (vid - 1) // (a.villages // a.counties) + 1
    w = np.round(0.5 + r.gamma(4, 0.25, n), 4)
    rows = []
    for t in range(Tm):
        y = a.first_year + t
        e = y - first
        on = (first > 0) & (e >= 0) & (elig == 1)
        tau = on * (0.10 + 0.02 * e + 0.04 * (first == a.first_year + 2))
        li = (
            vfe[vid - 1]
            + 0.3 * x1 * 0.2
            - 0.35 * elig
            + (0.05 + 0.015 * elig) * t
            + vtrend[vid - 1] * t
            + 0.02 * t * x1 * (1 + 0.3 * elig)
            - 0.015 * t * x2
            + tau
            + r.normal(0, 0.1, n)
        )
        rows.append(
            pd.DataFrame(
                {
                    "household_id": np.arange(1, n + 1),
                    "village_id": vid,
                    "county_id": county,
                    "year": y,
                    "first_treated": first,
                    "eligible": elig,
                    "x1": x1,
                    "x2": x2,
                    "weight": w,
                    "log_income": li.round(6),
                }
            )
        )
    d = pd.concat(rows).sort_values(["household_id", "year"])
    save(d, out, "triple.csv")
    two = d[d["year"].isin([a.first_year + 1, a.first_year + 2]) & (d["first_treated"] != a.first_year + 4)].copy()
    two["enabled"] = (two["first_treated"] > 0).astype(int)
    save(two, out, "triple_two.csv")


def synth(seed, a, out):
    r = rng_for(seed, 7)
    T0, T1, N0 = 14, 6, 30 if seed % 2 else 26
    TT = T0 + T1
    f = np.cumsum(r.normal(0, 0.025, (TT, 3)), axis=0) + np.linspace(0, 1, TT)[:, None] * np.array([0.5, 0.2, 0])

    def one(N1, name, eff):
        N = N0 + N1
        ld = r.normal(0.3, 0.35, (N, 3))
        ld[N0:, 0] += 0.15
        fe = r.normal(8.3, 0.25, N)
        fe[N0:] -= 0.15
        Y = fe[:, None] + ld @ f.T + r.normal(0, 0.015, (N, TT)) + 0.05 * np.arange(TT)
        X = r.normal(size=(N, TT)).round(4)
        Y = Y + 0.03 * X
        W = np.zeros((N, TT), int)
        W[N0:, T0:] = 1
        Y = Y + W * (eff + 0.01 * np.clip(np.arange(TT) - T0, 0, None))
        ids = np.arange(1, N + 1)
        perm = r.permutation(N) + 1  # unit labels unrelated to treatment
        rows = [(f"c{perm[i]:03d}", a.first_year - 10 + t, Y[i, t], W[i, t], X[i, t]) for i in range(N) for t in range(TT)]
        d = pd.DataFrame(rows, columns=["county", "year", "log_income", "treated", "rainfall"])
        save(d.sort_values(["county", "year"]), out, name)
        return ids

    one(1, "single.csv", 0.12)
    one(6, "block.csv", 0.10)


def dynamic(seed, a, out):
    """AR(1) income with a predetermined and a strictly exogenous regressor."""
    r = rng_for(seed, 8)
    N, TT, burn = (150, 8, 20) if seed % 2 else (130, 8, 20)
    eta = r.normal(0, 0.4, N)
    y = eta / 0.4 + r.normal(size=N)
    x = 0.5 * eta + r.normal(size=N)
    e = r.normal(0, 0.5, N)
    rows = []
    for t in range(-burn, TT):
        z = r.normal(size=N)
        x = 0.4 * x + 0.3 * eta + 0.25 * e + r.normal(0, 0.7, N)  # reacts to the past shock: predetermined
        e = r.normal(0, 0.5, N) * np.exp(0.15 * eta)  # heteroskedastic
        y = 0.6 * y + 0.4 * x + 0.25 * z + 0.03 * max(t, 0) + eta + e
        if t >= 0:
            rows.append(
                pd.DataFrame(
                    {"village_id": np.arange(1, N + 1), "year": a.first_year + t, "y": y.round(6), "x": x.round(6), "z": z.round(6)}
                )
            )
    save(pd.concat(rows).sort_values(["village_id", "year"]), out, "dynamic.csv")


def few(seed, a, out):
    r = rng_for(seed, 9)
    G, TT = 10, 6
    size = r.integers(3, 10, G)
    ug = r.normal(0, 0.3, G)
    ugt = r.normal(0, 0.08, (G, TT))
    trt = r.choice(np.arange(1, G + 1), 3, replace=False)
    rows = []
    vid = 0
    for g in range(1, G + 1):
        for _i in range(size[g - 1]):
            vid += 1
            fe = r.normal(0, 0.2)
            w = int(r.integers(20, 200))
            xv = r.normal(0.1 * g, 1)
            for t in range(TT):
                x = round(xv + r.normal(0, 0.6), 4)
                T_ = int(g in trt)
                d = int(T_ and t >= 3)
                y = 8.4 + 0.03 * x + 0.09 * d + ug[g - 1] + ugt[g - 1, t] + fe + 0.04 * t + r.normal(0, 0.1)
                rows.append((vid, g, a.first_year + t, T_, int(t >= 3), d, x, y, w))
    d = pd.DataFrame(
        rows, columns=["village_id", "county_id", "year", "treated_county", "post", "treated", "x", "log_income", "households"]
    )
    save(d, out, "few.csv")


def cliff(seed, a, out):
    """Households around a poverty line (score 0: below is eligible -> score >= 0 means treated side)."""
    r = rng_for(seed, 10)
    n = 2400 if seed % 2 else 2100
    score = (r.normal(-0.15, 1, n) * 900).round(2)  # poverty line minus income, yuan
    county = r.integers(1, a.counties + 1, n)
    x = (r.normal(size=n) + score / 3000).round(4)
    above = (score >= 0).astype(int)
    cu = r.normal(0, 0.08, a.counties + 1)
    take = (r.random(n) < np.where(above == 1, 0.78, 0.08)).astype(int)
    base = 8.2 - 0.0002 * score + 3e-8 * score**2 + 0.05 * x + cu[county] + r.normal(0, 0.22, n)
    d = pd.DataFrame(
        {
            "household_id": np.arange(1, n + 1),
            "county_id": county,
            "score": score,
            "above": above,
            "takeup": take,
            "x": x,
            "weight": np.round(0.5 + r.gamma(4, 0.25, n), 4),
            "y_sharp": (base + 0.15 * above).round(6),
            "y_fuzzy": (base + 0.18 * take).round(6),
        }
    )
    # bunching: a share of the households just under the cut-off moves just above it
    b = score.copy()
    near = (b < 0) & (b > -120) & (r.random(n) < 0.55)
    b[near] = (np.abs(b[near]) * r.random(near.sum())).round(2)
    d["score_bunched"] = b
    # a heaped running variable (multiples of 50 yuan)
    d["score_heaped"] = np.floor(score / 50) * 50
    save(d, out, "cliff.csv")


def iv(seed, a, out):
    r = rng_for(seed, 11)
    n = 800 if seed % 2 else 700
    f1 = r.integers(1, a.counties + 1, n)
    f2 = r.integers(1, 9, n)
    z1, z2, x1 = (r.normal(size=n).round(4) for _ in range(3))
    e = r.normal(size=n)
    u1 = r.normal(0, 0.5, a.counties + 1)
    endo = 0.5 * z1 + 0.3 * z2 + 0.4 * e + r.normal(size=n) + u1[f1]
    y = 1 + 0.8 * endo - 0.5 * x1 + e + 0.1 * f2 + r.normal(0, 0.4, a.counties + 1)[f1]
    save(
        pd.DataFrame(
            {
                "obs": np.arange(1, n + 1),
                "county_id": f1,
                "wave": f2,
                "z1": z1,
                "z2": z2,
                "x1": x1,
                "loan": endo,
                "y": y,
                "w": np.round(0.5 + r.gamma(4, 0.25, n), 4),
            }
        ),
        out,
        "iv.csv",
    )


def flows(seed, a, out):
    """Worker flows between counties: three crossed fixed effects, counts with zeros."""
    r = rng_for(seed, 12)
    C, Y = 12, 6
    o = r.normal(0, 0.6, C)
    de = r.normal(0, 0.6, C)
    pos = r.normal(size=(C, 2))
    rows = []
    for i in range(C):
        for j in range(C):
            if i == j:
                continue
            ldist = round(float(np.log(0.2 + np.hypot(*(pos[i] - pos[j])))), 4)
            for t in range(Y):
                if r.random() < 0.12:
                    continue  # unbalanced
                pol = int(j % 3 == 0 and t >= 2 + i % 3)
                mu = np.exp(1.2 + o[i] + de[j] - 0.8 * ldist + 0.05 * t + 0.25 * pol + r.normal(0, 0.3))
                rows.append((i + 1, j + 1, a.first_year + t, ldist, pol, r.poisson(mu)))
    d = pd.DataFrame(rows, columns=["origin", "destination", "year", "log_distance", "policy", "workers"])
    d["log_workers"] = np.log1p(d["workers"]).round(6)
    save(d, out, "flows.csv")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--out", required=True)
    p.add_argument("--villages", type=int, default=240)
    p.add_argument("--counties", type=int, default=40)
    p.add_argument("--prefectures", type=int, default=8)
    p.add_argument("--first-year", type=int, default=2011)
    p.add_argument("--households", type=int, default=2000)
    a = p.parse_args()
    os.makedirs(a.out, exist_ok=True)
    main_files(a.seed, a, a.out)
    for f in (reversal, dose, triple, synth, dynamic, few, cliff, iv, flows):
        f(a.seed, a, a.out)


if __name__ == "__main__":
    main()
